#!lua name=ropewalk_v1

-- What nodes ask of Redis, each in one step. docs/design/redis.md says why it is so.
--
-- Keys of one call are in one slot. P is a partition, L the place of a channel's last
-- publication, S its history, C its pub/sub channel, D an id that is remembered.

-- A local variable of the library lives as long as the server's process.
local run

local function process()
  if not run then
    run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  end
  return run
end

-- Numbers up to 2^53 as text; tostring would round them.
local function text(n)
  return string.format('%.0f', n)
end

-- The time in milliseconds, as text.
local function now()
  local t = redis.call('TIME')
  return t[1] .. string.sub(string.format('%06d', t[2]), 1, 3)
end

-- moment is the time, and behind the last process's in any case: clocks differ.
local function moment(P)
  local at, t = tonumber(now()), redis.call('HGET', P, 't')
  if t then
    at = math.max(at, tonumber(string.match(t, '^%d+')) + 1)
  end
  return text(at)
end

-- own notes that this process serves a partition from now on. The tag that it gets is in every
-- answer: the time, which puts the processes of a partition in order, and who it is.
local function own(P)
  local tag = moment(P) .. '-' .. string.sub(process(), 1, 8)
  redis.call('HSET', P, 'r', process(), 't', tag)
  return tag
end

-- open returns the epoch, counter and tag of a partition. When another process has written
-- last it returns nil and the answer to give: somebody has to settle that first.
local function open(P, fresh)
  local h = redis.call('HMGET', P, 'e', 'c', 'r', 't')
  if not h[1] then
    redis.call('HSET', P, 'e', fresh, 'c', '0')
    return fresh, '0', own(P)
  end
  if h[3] ~= process() then
    return nil, {'fenced', h[1], process()}
  end
  return h[1], h[2], h[4]
end

-- last returns the offset of a channel's last publication, and until when its history
-- stays, or nil if the channel is not known. The counter is then behind all that anybody can know
-- of it.
local function last(L, epoch, counter)
  local v = redis.call('GET', L)
  if v then
    local e, offset, stays = string.match(v, '^(%S+) (%d+) (%d+)$')
    if e == epoch then
      return offset, stays
    end
  end
  return counter, nil
end

-- place is last for those who will go on from there: the next publication continues it.
-- A history that is still there is one of another epoch.
local function place(L, S, epoch, counter, keep)
  local offset, known = last(L, epoch, counter)
  if not known then
    redis.call('DEL', S)
    redis.call('SET', L, epoch .. ' ' .. offset .. ' 0', 'PX', keep)
  end
  return offset
end

-- P, L, S, C, A and, to remember an id, D. A is the pub/sub channel of all that is published
-- in the partition. The channel's name, fresh epoch, message, history, its milliseconds, those
-- of L, those of D, and the epoch and offset to expect, or nothing.
redis.register_function('rw1_publish', function(keys, args)
  local P, L, S, C, A, D = unpack(keys)
  local name, fresh, message, history, age, keep, dedup, epoch, offset = unpack(args)
  local e, c, tag = open(P, fresh)
  if not e then
    return c
  end
  if D then
    local known = redis.call('GET', D)
    if known then
      return {'known', tag, string.match(known, '^(%S+) (%d+)$')}
    end
  end
  local prev, stays = last(L, e, c)
  if offset ~= '' and (epoch ~= e or offset ~= prev) then
    return {'conflict', tag, e, prev}
  end
  offset = text(redis.call('HINCRBY', P, 'c', 1))
  local at = now()
  if history ~= '0' then
    if not stays then
      redis.call('DEL', S) -- of another epoch
    end
    redis.call('XADD', S, 'MAXLEN', '=', history, offset .. '-0', 'h', prev .. ' ' .. at .. ' ' .. age, 'm', message)
    -- Each publication says itself how long it is kept: the stream stays twice as long, and is told so
    -- once in that time.
    if at + age > tonumber(stays or 0) then
      redis.call('PEXPIRE', S, 2 * age)
      stays = text(at + 2 * age)
    end
  end
  redis.call('SET', L, e .. ' ' .. offset .. ' ' .. (stays or '0'), 'PX', keep)
  if D then
    redis.call('SET', D, e .. ' ' .. offset, 'PX', dedup)
  end
  local publication = 'p' .. e .. ' ' .. offset .. ' ' .. prev .. ' ' .. at .. ' ' .. tag .. '\n' .. message
  redis.call('SPUBLISH', C, publication)
  redis.call('SPUBLISH', A, #name .. ':' .. name .. publication)
  return {'ok', tag, e, offset}
end)

-- P, L, S. fresh epoch, milliseconds of L.
redis.register_function('rw1_place', function(keys, args)
  local e, c, tag = open(keys[1], args[1])
  if not e then
    return c
  end
  return {'ok', tag, e, place(keys[2], keys[3], e, c, args[2])}
end)

-- P. fresh epoch. Gives the epoch and the counter.
redis.register_function('rw1_count', function(keys, args)
  local e, c, tag = open(keys[1], args[1])
  if not e then
    return c
  end
  return {'ok', tag, e, c}
end)

-- P. Gives the process that serves it, and the time.
redis.register_function{function_name='rw1_process', flags={'no-writes'}, callback=function(keys)
  return {'ok', process(), moment(keys[1])}
end}

-- P, L, S. fresh epoch, milliseconds of L, the epoch and offset to begin from or nothing,
-- most publications, whether to go backwards. Gives the last place, the time, and the
-- publications, one more than wanted if there are more.
redis.register_function('rw1_read', function(keys, args)
  local fresh, keep, epoch, offset, limit, backwards = unpack(args)
  local e, c, tag = open(keys[1], fresh)
  if not e then
    return c
  end
  local top = place(keys[2], keys[3], e, c, keep)
  local page = {}
  if offset == '' or epoch == e then
    local count = text(tonumber(limit) + 1)
    if backwards == '1' then
      page = redis.call('XREVRANGE', keys[3], offset == '' and '+' or offset .. '-0', '-', 'COUNT', count)
    else
      page = redis.call('XRANGE', keys[3], offset == '' and '-' or '(' .. offset .. '-0', '+', 'COUNT', count)
    end
  end
  return {'ok', tag, e, top, now(), page}
end)

-- P. The epoch that was fenced, the process that has fenced it, a fresh epoch, and the
-- highest counter that any node knows, or nothing if that is not known.
redis.register_function('rw1_settle', function(keys, args)
  local fenced, fencer, fresh, seen = unpack(args)
  local h = redis.call('HMGET', keys[1], 'e', 'c', 'r')
  if h[1] == fenced and h[3] ~= process() and fencer == process() then
    if seen == '' or tonumber(seen) > tonumber(h[2]) then
      redis.call('HSET', keys[1], 'e', fresh)
    end
    own(keys[1])
  end
  return {'ok'}
end)

-- The nodes by the end of their leases. A node, and milliseconds. Renews its lease, and
-- gives the process, who has one, and whose has ended.
redis.register_function('rw1_beat', function(keys, args)
  local at = now()
  redis.call('ZADD', keys[1], text(at + tonumber(args[2])), args[1])
  local live = redis.call('ZRANGEBYSCORE', keys[1], at, '+inf')
  local dead = redis.call('ZRANGEBYSCORE', keys[1], '-inf', '(' .. at)
  return {'ok', process(), live, dead}
end)
