-- wrk_page.lua -- one path again and again with a key. Arguments: the key, the path. The last line is as in wrk.lua.

local request_text

function init(arguments)
    wrk.headers["Authorization"] = "Bearer " .. arguments[1]
    request_text = wrk.format("GET", arguments[2])
end

function request()
    return request_text
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("told %d %.6f %.1f %.1f %d", summary.requests, summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
