"""What the scripts on a Redis server have in common: functions in Lua, put before each.

words     the arguments of a script, one by one, and the server's clock
streams   who writes a stream, and what keeps others from it
changes   what is written of a chat: fields of its header, rows, files
"""

from __future__ import annotations

WORDS = """
local at = 0
local function word() at = at + 1; return ARGV[at] end
local function words()  -- how many, and they
  local all = {}
  for i = 1, tonumber(word()) do all[i] = word() end
  return all
end
local function key(kind, id) return 'chatkit:' .. kind .. id end
local function text(number) return string.format('%.0f', number) end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
"""

STREAMS = """
local function age(heartbeat)  -- of a sign of life: none can come while the server is away
  local age = now() - (tonumber(heartbeat) or 0)
  local info = age > 1000000 and redis.pcall('INFO', 'server')
  local up = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return text(up and math.min(age, up * 1000000) or age)
end
local function fence(chat, id, epoch)  -- what keeps the writer of this epoch from writing
  local stream = redis.call('HMGET', key('s', id), 'state', 'epoch')
  if not stream[1] then
    return redis.call('EXISTS', key('d', chat), key('d', id)) > 0 and 'deleted' or 'lost'
  end
  if stream[1] ~= 'streaming' or stream[2] ~= epoch then return 'fenced' end
end
"""

CHANGES = """
local function hold(chat, files)  -- triples: name, length, content; '' if it should be there
  for i = 1, #files, 3 do
    if files[i + 2] ~= '' then redis.call('SET', key('f/', files[i]), files[i + 2]) end
    redis.call('SADD', key('h/', files[i]), chat)
    redis.call('SADD', key('r', chat), files[i])
  end
end
local function change()
  return {chat = word(), version = word(), fields = words(), rows = words(), files = words()}
end
local function obstacle(change)  -- why it cannot be written
  local version = redis.call('HGET', key('c', change.chat), 'version')
  if version and (tonumber(version) or 0) > tonumber(change.version) then
    return {'later', version}
  end
  for i = 1, #change.files, 3 do
    local known = redis.call('STRLEN', key('f/', change.files[i]))
    if change.files[i + 2] == '' and known ~= tonumber(change.files[i + 1]) then
      return {'missing'}
    end
  end
end
local function touch(chat, time)  -- it has changed
  redis.call('HSET', key('c', chat), 'updated_at', time)
  redis.call('HINCRBY', key('c', chat), 'rev', 1)
  redis.call('ZADD', 'chatkit:chats', time, chat)
end
local function release(chat, file)  -- the chat holds it no longer
  redis.call('SREM', key('r', chat), file)
  redis.call('SREM', key('h/', file), chat)
  if redis.call('EXISTS', key('h/', file)) == 0 then redis.call('DEL', key('f/', file)) end
end
local function write(change)
  local chat, time = change.chat, text(now())
  local header, rows, order = key('c', chat), key('m', chat), key('o', chat)
  for i = 1, #change.fields, 2 do
    redis.call('HSET', header, change.fields[i], change.fields[i + 1])
  end
  redis.call('HSETNX', header, 'created_at', time)
  redis.call('HSET', header, 'version', change.version)
  redis.call('HSETNX', header, 'rev', time)  -- a chat that is made again has no revision twice
  touch(chat, time)
  for i = 1, #change.rows, 2 do
    redis.call('HSET', rows, change.rows[i], change.rows[i + 1])
    local last = redis.call('ZREVRANGE', order, 0, 0, 'WITHSCORES')[2]
    redis.call('ZADD', order, 'NX', (tonumber(last) or -1) + 1, change.rows[i])
  end
  hold(chat, change.files)
end
"""
