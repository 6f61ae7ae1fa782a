-- soak.lua -- mixed load with a key, for wrk: point reads, lists, searches, memberships, writes with idempotency keys, and what
-- is refused: unknown people, no key, bad JSON. One request in 200 ends its connection.
-- Arguments: the key, the beginning of people's ids, how many people there are, a number that no other load has.
--
-- The last line is for the program that runs this: requests, seconds, errors of the network, answers of 5xx, answers of 2xx.

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
    thread:set("number", #threads)
end

failed, fine = 0, 0
local key, beginning, people, load
local written = 0

function init(arguments)
    key, beginning, people, load = "Bearer " .. arguments[1], arguments[2], tonumber(arguments[3]), arguments[4]
    math.randomseed(number)
end

local function person_path(n)
    local digits = string.format("%.0f", 1e14 + n)
    return "/v1/people/" .. beginning .. digits:sub(1, 3) .. "-" .. digits:sub(4)
end

local function get(path, authorization)
    local connection = math.random(200) == 1 and "close" or nil
    return wrk.format("GET", path, { ["Authorization"] = authorization, ["Connection"] = connection })
end

local function create_person()
    written = written + 1
    local name = string.format("L%s-%d-%d", load, number, written)
    local body = '{"student_number":"' .. name .. '","name":"赵' .. written % 100 .. '","home":"university.cs","grade":2026}'
    return wrk.format("POST", "/v1/people",
        { ["Authorization"] = key, ["Content-Type"] = "application/json", ["Idempotency-Key"] = name }, body)
end

-- How often in a hundred, and what.
local kinds = {
    { 70, function() return get(person_path(math.random(people)), key) end },
    { 8, function() return get("/v1/people?page_size=20&sort=name", key) end },
    { 4, function() return get("/v1/people?page_size=5&q=B000" .. math.random(10, 99), key) end },
    { 4, function() return get("/v1/memberships?person_id=" .. person_path(math.random(people)):sub(12), key) end },
    { 4, function() return get("/v1/organisations?parent=university", key) end },
    { 4, create_person },
    { 2, function() return get(person_path(people + math.random(people)), key) end },
    { 2, function() return get(person_path(1), "Bearer campus_nobody") end },
    { 2, function() return wrk.format("POST", "/v1/people",
        { ["Authorization"] = key, ["Content-Type"] = "application/json" }, '{"name":' .. math.random(9) .. ',') end },
}

function request()
    local drawn = math.random(100)
    for _, kind in ipairs(kinds) do
        drawn = drawn - kind[1]
        if drawn <= 0 then return kind[2]() end
    end
end

function response(status)
    if status >= 500 then failed = failed + 1 elseif status < 300 then fine = fine + 1 end
end

function done(summary)
    local errors = summary.errors
    local all_failed, all_fine = 0, 0
    for _, thread in ipairs(threads) do
        all_failed, all_fine = all_failed + thread:get("failed"), all_fine + thread:get("fine")
    end
    print(string.format("told %d %.6f %d %d %d", summary.requests, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.timeout, all_failed, all_fine))
end
