-- wrk.lua -- GETs with a key: one path again and again, or, with the numbers of the first and last person, people at random.
-- Arguments: the key, the path or its beginning, the numbers.
--
-- The requests are made before the clock runs, so that the load costs as little as it can. The last line is for the
-- program that runs this: requests, seconds, microseconds at the median and at 99 %, errors.

local REQUESTS = 20000
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("seed", threads)
end

local requests, at = {}, 0

function init(arguments)
    local key, path, first, last = arguments[1], arguments[2], tonumber(arguments[3]), tonumber(arguments[4])
    wrk.headers["Authorization"] = "Bearer " .. key
    math.randomseed(os.time() * 10 + seed)
    for i = 1, first and REQUESTS or 1 do
        local digits = first and string.format("%.0f", 1e14 + math.random(first, last))
        requests[i] = wrk.format("GET", digits and path .. digits:sub(1, 3) .. "-" .. digits:sub(4) or path)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("told %d %.6f %.1f %.1f %d", summary.requests, summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
