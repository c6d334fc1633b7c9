-- One commit: check, number, append to the outbox, store. All refusals come before the first write, because Lua in
-- Redis does not roll back; the first write is the one that Redis may refuse (no memory, a full disk, a replica).
--
-- KEYS   rv, objects, outbox, stream, resources, closed
-- ARGV   field, expected rv, type, head, tail, subject, headers, outbox limit, resource
-- Answer the new rv (integer), or a string: 'M<rv>' mismatch, 'F' outbox full, 'B<sequence>' the record is behind the
--        stream (and the record's own number, after a space), 'C<why>' the record is closed, 'R<why>' Redis refuses.
local field, expected, kind = ARGV[1], ARGV[2], ARGV[3]

local numbers = redis.call('MGET', KEYS[1], KEYS[4], KEYS[6])
if numbers[3] then
  return 'C' .. numbers[3]
end
local last = tonumber(numbers[1] or '0')
if tonumber(numbers[2] or '0') > last then
  return 'B' .. numbers[2] .. ' ' .. last
end
if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[8]) then
  return 'F'
end

local current = redis.call('HGET', KEYS[2], field)
local actual = current and string.match(current, '^%d+') or '0'
if actual ~= expected then
  return 'M' .. actual
end

local rv = string.format('%.0f', last + 1)
local object = ARGV[4] .. rv .. ARGV[5]
local body = '{"type":"' .. kind .. '","object":' .. object .. '}'
local added = redis.pcall('XADD', KEYS[3], rv .. '-0', 's', ARGV[6], 'b', body, 'h', ARGV[7])
if type(added) == 'table' and added.err then
  return 'R' .. added.err
end
if kind == 'DELETED' then
  redis.call('HDEL', KEYS[2], field)
elseif redis.call('HSET', KEYS[2], field, rv .. ' ' .. object) == 1 and redis.call('HLEN', KEYS[2]) == 1 then
  redis.call('SADD', KEYS[5], ARGV[9])
end
return redis.call('INCR', KEYS[1])
