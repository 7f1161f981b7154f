-- Sends the requests of one benchmark case: wrk -s wrk.lua URL -- METHOD PATH COUNT BODY_FILE "Name: value" ...
-- "{}" in the path or in the body is replaced by a number that differs in each request, at most COUNT if that is not 0.

local number, count = 0, 0

local function next_number()
    number = number + 1
    return tostring(count > 0 and number * 7919 % count + 1 or number)
end

function init(args)
    wrk.method, wrk.path, count = args[1], args[2], tonumber(args[3])
    if args[4] ~= "" then
        local file = assert(io.open(args[4], "rb"))
        wrk.body = file:read("*a")
        file:close()
    end
    for index = 5, #args do
        local name, value = args[index]:match("^([^:]+): (.*)$")
        wrk.headers[name] = value
    end
    local path, body = wrk.path, wrk.body
    if (path .. (body or "")):find("{}", 1, true) then
        request = function()
            local value = next_number()
            return wrk.format(nil, (path:gsub("{}", value)), nil, body and (body:gsub("{}", value)))
        end
    end
end

function done(summary, latency)
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
        summary.requests, summary.duration,
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        latency:percentile(50), latency:percentile(99)
    ))
end
