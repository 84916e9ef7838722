-- KEYS: the order, the deadlines of all orders. ARGV: the event, who, why.
local EVENTS = {waiting = {turn = 'working'}, working = {turn = 'waiting'}}
local STAYS = {waiting = 3600000, working = 3600000}
local order = redis.call('HMGET', KEYS[1], 'state', 'version')
local from, event = order[1], ARGV[1]
if not from then return nil end
local to = EVENTS[from] and EVENTS[from][event]
if not to then return {'refused', from, tonumber(order[2])} end
local version = order[2] + 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', to, 'version', version, 'reason', ARGV[3])
local moves = KEYS[1] .. ':moves'
redis.call('LPUSH', moves, cjson.encode({
  version = version, at = now, event = event, from = from, to = to, by = ARGV[2], reason = ARGV[3]}))
redis.call('LTRIM', moves, 0, 19)
if STAYS[to] then redis.call('ZADD', KEYS[2], now + STAYS[to], KEYS[1]) else redis.call('ZREM', KEYS[2], KEYS[1]) end
return {'moved', to, version}
