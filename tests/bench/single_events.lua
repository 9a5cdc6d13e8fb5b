-- For wrk: single events of about 200 bytes, each with an id of its own and the present time.
-- Arguments: a file of made lines, `{"id":"g1-0000000042",..."timestamp":1767225600123,...`, and the
-- number that ids begin after.

local head, middle, tail = {}, {}, {}
local count, serial = 0, 0
local now

function init(args)
  serial = tonumber(args[2])
  for line in io.lines(args[1]) do
    count = count + 1
    head[count], middle[count], tail[count] =
      line:match('^({"id":"g%d+%-)%d+(.-"timestamp":)%d+(.*)$')
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

-- The head of the request is the same for all lines of one length.
local heads = {}
local function request_head(length)
  if heads[length] == nil then
    local whole = wrk.format("POST", wrk.path, nil, string.rep("x", length))
    heads[length] = whole:sub(1, #whole - length)
  end
  return heads[length]
end

function request()
  if now == nil or serial % 256 == 0 then now = string.format("%d", os.time() * 1000) end
  serial = serial + 1
  local line = serial % count + 1
  local body = head[line] .. string.format("%010d", serial) .. middle[line] .. now .. tail[line]
  return request_head(#body) .. body
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50Ms":%.3f,"p99Ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
