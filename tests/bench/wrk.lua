-- wrk.lua -- reads people at random with a key. Arguments: the key, the ids' first characters, the first and last number.
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
    local key, prefix, first, last = arguments[1], arguments[2], tonumber(arguments[3]), tonumber(arguments[4])
    math.randomseed(os.time() * 10 + seed)
    wrk.headers["Authorization"] = "Bearer " .. key
    for i = 1, REQUESTS do
        local digits = string.format("%.0f", math.random(first, last) + 1e14)
        requests[i] = wrk.format("GET", "/v1/people/" .. prefix .. digits:sub(1, 3) .. "-" .. digits:sub(4))
    end
end

function request()
    at = at % REQUESTS + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("told %d %.6f %.1f %.1f %d", summary.requests, summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
