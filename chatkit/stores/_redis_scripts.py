"""What a Redis server does for the store in one step: Lua, each script alone and whole.

    chatkit:chats              sorted set: the chats, by the time of their last change
    chatkit:c/<chat>           hash: the header, each of its fields as JSON
    chatkit:m/<chat>           hash: the messages
    chatkit:o/<chat>           sorted set: the messages in the order they were first put in
    chatkit:t/<chat>           set: the messages that have a stream
    chatkit:open               set: the streams that have not ended
    chatkit:s/<chat>/<row>     hash: the stream of a message: state, owner, heartbeat, epoch
    chatkit:g/<chat>/<row>     stream: its segments, at <epoch>-<number>
    chatkit:w/<chat>/<row>     sorted set: the words left for whoever writes it
    chatkit:f/<sha256>         the bytes of a file in messages, once for all chats
    chatkit:h/<sha256>         set: the chats that hold the file
    chatkit:r/<chat>           set: the files that the chat holds
    chatkit:d/<chat>           for a day: that the chat was deleted
    chatkit:d/<chat>/<row>     for a day: that the message was, while its stream was written

Scripts and not WATCH with MULTI: one round trip, nothing to try again where writers meet, and
no connection of its own. The arguments are a flat list that each script reads word by word; an
answer is a list that begins with a word. Any of them may arrive twice, its answer having been
lost, and must then do no more than once. Times are the server's, in microseconds.
"""

from __future__ import annotations

from chatkit.stores._redis_parts import CHANGES, STREAMS, WORDS

# change, the row that must be there or '' -> done | later | missing | gone
WRITE = (
    WORDS
    + CHANGES
    + """
local change, needs = change(), word()
if needs ~= '' and redis.call('HEXISTS', key('m', change.chat), needs) == 0 then
  return {'gone'}
end
local obstacle = obstacle(change)
if obstacle then return obstacle end
write(change)
return {'done'}
"""
)

# chat, limit or -1 -> fields of the header, rows
LOAD = (
    WORDS
    + """
local chat, limit = word(), tonumber(word())
local rows, ids = {}, {}
if limit ~= 0 then
  ids = redis.call('ZRANGE', key('o', chat), limit < 0 and 0 or -limit, -1)
end
for i = 1, #ids, 1000 do  -- as many as Lua's stack takes at once
  local some = redis.call('HMGET', key('m', chat), unpack(ids, i, math.min(i + 999, #ids)))
  for _, row in ipairs(some) do rows[#rows + 1] = row end
end
return {redis.call('HGETALL', key('c', chat)), rows}
"""
)

# -> pairs: chat, fields of its header
CHATS = """
local found = {}
for _, chat in ipairs(redis.call('ZREVRANGE', 'chatkit:chats', 0, -1)) do
  found[#found + 1] = {chat, redis.call('HGETALL', 'chatkit:c' .. chat)}
end
return found
"""

# chat
DELETE = (
    WORDS
    + CHANGES
    + """
local chat = word()
local streams = redis.call('SMEMBERS', key('t', chat))
for _, id in ipairs(streams) do
  for _, kind in ipairs({'s', 'g', 'w'}) do redis.call('DEL', key(kind, id)) end
  redis.call('SREM', 'chatkit:open', id)
end
for _, file in ipairs(redis.call('SMEMBERS', key('r', chat))) do release(chat, file) end
for _, kind in ipairs({'c', 'm', 'o', 't', 'r'}) do redis.call('DEL', key(kind, chat)) end
redis.call('ZREM', 'chatkit:chats', chat)
if #streams > 0 then redis.call('SET', key('d', chat), '', 'EX', 86400) end
"""
)

# chat, pairs: message, its stream
REMOVE = (
    WORDS
    + CHANGES
    + """
local chat, gone, count = word(), words(), 0
for i = 1, #gone, 2 do
  local row, id = gone[i], gone[i + 1]
  count = count + redis.call('HDEL', key('m', chat), row) + redis.call('DEL', key('s', id))
  redis.call('ZREM', key('o', chat), row)
  redis.call('DEL', key('g', id), key('w', id))
  redis.call('SREM', key('t', chat), id)
  if redis.call('SREM', 'chatkit:open', id) == 1 then
    redis.call('SET', key('d', id), '', 'EX', 86400)
  end
end
if count > 0 and redis.call('EXISTS', key('c', chat)) == 1 then touch(chat, text(now())) end
"""
)

# chat: let go of the files that none of its messages holds, and no segment
SWEEP = (
    WORDS
    + CHANGES
    + """
local chat, held = word(), {}
local files = redis.call('SMEMBERS', key('r', chat))
local function look(value)  -- into an envelope, which names its files
  if string.sub(value, 1, 7) ~= '{"row":' then return end
  for name in string.gmatch(value, '"(%x+)"') do held[name] = true end
end
if #files > 0 then
  for _, row in ipairs(redis.call('HVALS', key('m', chat))) do look(row) end
  for _, id in ipairs(redis.call('SMEMBERS', key('t', chat))) do
    for _, entry in ipairs(redis.call('XRANGE', key('g', id), '-', '+')) do look(entry[2][2]) end
  end
end
for _, file in ipairs(files) do
  if not held[file] then release(chat, file) end
end
"""
)

# change, whether there is one, stream, owner, the call's own mark, the dead writer's epoch and
# heartbeat or '', whether only a stream that has not ended, ends that may not be, heads or -1
# -> done epoch segments | alive owner age seen | not | later | missing
TAKE = (
    WORDS
    + STREAMS
    + CHANGES
    + """
local change, changes, id, owner = change(), word() == '1', word(), word()
local mark, seen, only_open, unless = word(), word(), word() == '1', words()
local stream, log = key('s', id), key('g', id)
local is = redis.call('HMGET', stream, 'state', 'owner', 'heartbeat', 'epoch', 'mark')
local is_open = is[1] == 'streaming'
if is_open and is[5] == mark then  -- it was done, and its answer lost
  return {'done', is[4], redis.call('XLEN', log)}
end
if is_open and seen ~= is[4] .. '/' .. is[3] then
  return {'alive', is[2], age(is[3]), is[4] .. '/' .. is[3]}
end
if only_open and not is_open then return {'not'} end
for _, ended in ipairs(unless) do
  if not is_open and is[1] == ended then return {'not'} end
end
local count = tonumber(word())
if count >= 0 then
  local head, may = redis.call('HGET', key('c', change.chat), 'head') or 'null', false
  for i = 1, count do may = word() == head or may end
  if not may then return {'not'} end
end
if changes then
  local obstacle = obstacle(change)
  if obstacle then return obstacle end
  write(change)
end
if not only_open then redis.call('DEL', log) end  -- else they are what is to be recovered
-- no less than the time: an epoch is never given again, whatever the server has lost
local epoch = text(math.max((tonumber(is[4]) or 0) + 1, math.floor(now() / 1000)))
redis.call('HSET', stream, 'state', 'streaming', 'owner', owner)
redis.call('HSET', stream, 'heartbeat', text(now()), 'epoch', epoch, 'mark', mark)
redis.call('SADD', key('t', change.chat), id)
redis.call('SADD', 'chatkit:open', id)
redis.call('DEL', key('w', id))
return {'done', epoch, redis.call('XLEN', log)}
"""
)

# how many, and for each: chat, stream, epoch, number of the segment or -1, it, files
# -> for each the number of the next one | fenced | deleted | lost | other
EXTEND = (
    WORDS
    + STREAMS
    + CHANGES
    + """
local answers = {}
for i = 1, tonumber(word()) do
  local chat, id, epoch, number, value, files = word(), word(), word(), word(), word(), words()
  local log, answer = key('g', id), fence(chat, id, epoch)
  if not answer then
    local length = redis.call('XLEN', log)
    number = tonumber(number) < 0 and length or tonumber(number)
    local place = epoch .. '-' .. text(number)
    answer = number + 1
    if length < number then  -- an older state of the server: what it has is not worth keeping
      redis.call('DEL', log, key('s', id))
      answer = 'lost'
    elseif length == number then
      redis.call('XADD', log, place, 'chunks', value)
      hold(chat, files)
      redis.call('HSET', key('s', id), 'heartbeat', text(now()))
    else  -- it arrived, and its answer was lost
      local there = redis.call('XRANGE', log, place, place)[1]
      if not there or there[2][2] ~= value then answer = 'other' end
    end
  end
  answers[i] = answer
end
return answers
"""
)

# chat, stream, epoch, owner -> done, segments | fenced | deleted | lost
BEAT = (
    WORDS
    + STREAMS
    + """
local chat, id, epoch, owner = word(), word(), word(), word()
local fenced = fence(chat, id, epoch)
if fenced then return {fenced} end
redis.call('HSET', key('s', id), 'heartbeat', text(now()), 'owner', owner)
return {'done', redis.call('XLEN', key('g', id))}
"""
)

# change, stream, epoch, state -> done | fenced | deleted | lost | later | missing
END = (
    WORDS
    + STREAMS
    + CHANGES
    + """
local change, id, epoch, state = change(), word(), word(), word()
local stream, log, ended = key('s', id), key('g', id), text(tonumber(epoch) + 1)
local fenced = fence(change.chat, id, epoch)
if fenced then
  local row = redis.call('HGET', key('m', change.chat), change.rows[1])
  local is = redis.call('HMGET', stream, 'state', 'epoch')
  if is[1] == state and is[2] == ended and row == change.rows[2] then
    return {'done'}  -- before, and its answer was lost
  end
  return {fenced}
end
local obstacle = obstacle(change)
if obstacle then return obstacle end
write(change)
redis.call('HSET', stream, 'state', state, 'epoch', ended)
redis.call('DEL', log, key('w', id))
redis.call('XADD', log, ended .. '-0', 'end', state)  -- wakes those who wait for more
redis.call('EXPIRE', log, 10)
redis.call('SREM', 'chatkit:open', id)
return {'done'}
"""
)

# chat, row, stream, number of the first segment wanted
# -> state, owner, age, epoch, segments, last id, those from there on, row, whether it was deleted
LOOK = (
    WORDS
    + STREAMS
    + """
local chat, row, id, since = word(), word(), word(), tonumber(word())
local log, found = key('g', id), {}
local is = redis.call('HMGET', key('s', id), 'state', 'owner', 'heartbeat', 'epoch')
local is_open = is[1] == 'streaming'
local length = is_open and redis.call('XLEN', log) or 0
local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if length > since then
  local fresh = redis.call('XREVRANGE', log, '+', '-', 'COUNT', length - since)
  for i = #fresh, 1, -1 do found[#found + 1] = fresh[i][2][2] end
end
return {
  is[1], is[2], is_open and age(is[3]) or '0', is[4], length, last and last[1] or '0-0', found,
  redis.call('HGET', key('m', chat), row), redis.call('EXISTS', key('d', chat), key('d', id))
}
"""
)

# chats -> of each its revision, or nothing
REVISIONS = (
    WORDS
    + """
local found = {}
for i, chat in ipairs(ARGV) do found[i] = redis.call('HGET', key('c', chat), 'rev') end
return found
"""
)

# -> for each stream that has not ended: it, state, owner, age, epoch
LIVING = (
    WORDS
    + STREAMS
    + """
local found = {}
for _, id in ipairs(redis.call('SMEMBERS', 'chatkit:open')) do
  local is = redis.call('HMGET', key('s', id), 'state', 'owner', 'heartbeat', 'epoch')
  if is[1] == 'streaming' then
    found[#found + 1] = {id, is[1], is[2], age(is[3]), is[4]}
  else
    redis.call('SREM', 'chatkit:open', id)  -- it was lost
  end
end
return found
"""
)

# stream, the word with a mark before it
TELL = (
    WORDS
    + """
local id, said = word(), word()
if redis.call('HGET', key('s', id), 'state') == 'streaming' then
  redis.call('ZADD', key('w', id), 'NX', text(now()), said)
end
"""
)

# pairs: stream, a word taken before; streams -> for each stream its words
HEAR = (
    WORDS
    + """
local taken, heard = words(), {}
for i = 1, #taken, 2 do redis.call('ZREM', key('w', taken[i]), taken[i + 1]) end
for i, id in ipairs(words()) do heard[i] = redis.call('ZRANGE', key('w', id), 0, -1) end
return heard
"""
)
