"""What Redis has to do in one step. Lua, as Redis (6.2 or newer) and Valkey run it."""

APPEND_AFTER = """
local id = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
    local about = redis.call('XINFO', 'STREAM', KEYS[1])
    for place = 1, #about, 2 do
        if about[place] == 'last-generated-id' then id = about[place + 1] end
    end
end
if id ~= ARGV[1] then return false end
for place = 5, #ARGV do
    id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', ARGV[4], ARGV[place])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return id
"""
"""KEYS: stream. ARGV: the last id it gave, about how many entries to keep, milliseconds to live, field,
payloads.

The last id, and not that of the newest entry: what was trimmed or deleted was added all the same.
"""

SEEK_LEAD = """
local time, ttl = redis.call('TIME'), tonumber(ARGV[2])
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function spelled(number) return string.format('%.0f', number) end
redis.call('ZADD', KEYS[2], spelled(now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. spelled(now - ttl))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. spelled(now + ttl), '+inf')
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
local leader = redis.call('GET', KEYS[1]) or ARGV[1]
if leader == ARGV[1] then redis.call('SET', KEYS[1], leader, 'PX', ARGV[2]) end
local answer = redis.call('ZRANGE', KEYS[2], 0, -1)
table.insert(answer, 1, leader)
return answer
"""
"""KEYS: leader, candidates, stream. ARGV: candidate, milliseconds that seeking it counts for, and that the
stream lives for."""

LEAVE_LEAD = """
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
"""KEYS: leader, candidates. ARGV: candidate."""
