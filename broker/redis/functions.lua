#!lua name=ropewalk_v1

-- What nodes ask of Redis, each in one step. docs/design/redis.md says why it is so.
--
-- Keys are in one slot where there are several: those of a partition. P is a partition, L the place
-- of a channel's last publication, S its history, D an id that is remembered. What is published is said
-- in the pub/sub channels that are called as L and as P.
--
-- An answer begins with a word and what belongs to it, in one string.

-- Who answers, and when: the call that is under way.
local me, at

-- The server's process.
local run

-- begin sets who answers and when. A master that was a replica for a while is somebody else
-- afterwards: what it has acknowledged before may be gone. Its replication id says so.
local function begin()
  run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%x%x%x%x%x%x%x%x)')
  me = run .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x%x%x%x%x%x%x%x)')
  local t = redis.call('TIME')
  at = t[1] .. string.sub('00000' .. t[2], -6, -4) -- in milliseconds
end

-- register makes a function of the library, which begins.
local function register(name, callback, flags)
  redis.register_function{function_name = name, flags = flags or {}, callback = function(keys, args)
    begin()
    return callback(keys, args)
  end}
end

-- Numbers up to 2^53 as text; tostring would round them.
local function text(n)
  return string.format('%.0f', n)
end

-- moment is the time, and behind the last tag's in any case: clocks differ.
local function moment(tag)
  if not tag then
    return at
  end
  return text(math.max(tonumber(at), tonumber(string.match(tag, '^%d+')) + 1))
end

-- own notes that this one serves a partition from now on. The tag that it gets is in every
-- answer: the time, which puts those who have served it in order, and who it is.
local function own(P)
  local tag = moment(redis.call('HGET', P, 't')) .. '-' .. me
  redis.call('HSET', P, 't', tag)
  return tag
end

-- open returns the epoch and tag of a partition. When somebody else has written last it
-- returns nil and the answer to give: that has to be settled first.
local function open(P, fresh)
  local h = redis.call('HMGET', P, 'e', 't')
  local epoch, tag = h[1], h[2]
  if not epoch then
    redis.call('HSET', P, 'e', fresh, 'c', '0')
    return fresh, own(P)
  end
  if string.sub(tag, -16) ~= me then
    return nil, 'fenced ' .. epoch .. ' ' .. me
  end
  return epoch, tag
end

-- parse returns the offset that L says and how long the history stays, or nil if it is
-- of another epoch.
local function parse(v, epoch)
  if v then
    local e, offset, stays = string.match(v, '^(%S+) (%d+) (.+)$')
    if e == epoch then
      return offset, stays
    end
  end
end

-- last returns the offset of a channel's last publication, and whether the channel is known. If not,
-- the counter is behind all that anybody can know of it.
local function last(P, L, epoch)
  local offset = parse(redis.call('GET', L), epoch)
  if offset then
    return offset, true
  end
  return redis.call('HGET', P, 'c'), false
end

-- place is last for those who will go on from there: the next publication continues it.
-- A history that is still there is one of another epoch.
local function place(P, L, S, epoch, keep)
  local offset, known = last(P, L, epoch)
  local there = epoch .. ' ' .. offset
  if not known then
    redis.call('DEL', S)
    redis.call('SET', L, there .. ' 0 0', 'PX', keep)
  end
  return there
end

-- answer is one with a place, which is an epoch and an offset.
local function answer(word, tag, place)
  return word .. ' ' .. tag .. ' ' .. place
end

-- extend has a history stay for so many milliseconds at least.
local function extend(S, ms)
  if redis.call('PEXPIRE', S, ms, 'GT') == 0 and redis.call('PTTL', S) == -1 then
    redis.call('PEXPIRE', S, ms)
  end
end

-- The options of publications, by the text that says them.
local options, known = {}, 0

-- parseOptions returns the most publications of a history, and the milliseconds of that, of L and of D. 0 is
-- no history, no D.
local function parseOptions(said)
  local o = options[said]
  if not o then
    if known == 1000 then
      options, known = {}, 0
    end
    o = {string.match(said, '^(%d+) (%d+) (%d+) (%d+)$')}
    options[said], known = o, known + 1
  end
  return unpack(o)
end

-- publish carries out one publication. It has options, and expects an epoch and offset, or nothing.
local function publish(fresh, P, L, S, D, message, said, expected)
  local history, age, keep, dedup = parseOptions(said)
  local epoch, tag = open(P, fresh)
  if not epoch then
    return tag
  end
  if dedup ~= '0' then
    local there = redis.call('GET', D)
    if there then
      return answer('known', tag, there)
    end
  end
  if expected ~= '' then
    local there = epoch .. ' ' .. last(P, L, epoch)
    if expected ~= there then
      return answer('conflict', tag, there)
    end
  end
  local count = redis.call('HINCRBY', P, 'c', 1)
  local offset = text(count)
  local here = epoch .. ' ' .. offset
  -- Each publication says itself how long it is kept. The stream stays twice as long, and is told so
  -- once in that time.
  local stays = '0 0'
  if history ~= '0' then
    stays = age .. ' ' .. string.format('%d', at / age)
  end
  local prev, stayed = parse(redis.call('SET', L, here .. ' ' .. stays, 'PX', keep, 'GET'), epoch)
  local head = (prev or text(count - 1)) .. ' ' .. at .. ' '
  if history ~= '0' then
    if not prev then
      redis.call('DEL', S) -- of another epoch
    end
    redis.call('XADD', S, 'MAXLEN', history, offset .. '-0', 'm', head .. age .. '\n' .. message)
    if stays ~= stayed then
      extend(S, 2 * age)
    end
  end
  if dedup ~= '0' then
    redis.call('SET', D, here, 'PX', dedup)
  end
  local publication = 'p' .. here .. ' ' .. head .. tag .. '\n' .. message
  local name = string.sub(L, #P + 1) -- what is before it in both is as long
  redis.call('SPUBLISH', L, publication)
  redis.call('SPUBLISH', P, #name .. ':' .. name .. publication)
  return answer('ok', tag, here)
end

-- P, L, S, D of each publication; without D its place is taken by anything. A fresh epoch; message, options, and
-- what is expected of each. They fail each by itself.
register('rw1_publish', function(keys, args)
  local answers = {}
  for i = 1, #keys / 4 do
    local k, a = 4 * i - 3, 3 * i - 1
    local ok, said = pcall(publish, args[1], keys[k], keys[k + 1], keys[k + 2], keys[k + 3], args[a], args[a + 1], args[a + 2])
    if not ok then
      said = 'error ' .. (type(said) == 'table' and said.err or tostring(said))
    end
    answers[i] = said
  end
  return answers
end)

-- P, L, S. A fresh epoch, milliseconds of L.
register('rw1_place', function(keys, args)
  local e, tag = open(keys[1], args[1])
  if not e then
    return {tag}
  end
  return {answer('ok', tag, place(keys[1], keys[2], keys[3], e, args[2]))}
end)

-- P. A fresh epoch. Gives the epoch and the counter.
register('rw1_count', function(keys, args)
  local e, tag = open(keys[1], args[1])
  if not e then
    return {tag}
  end
  return {answer('ok', tag, e .. ' ' .. redis.call('HGET', keys[1], 'c'))}
end)

-- P. Gives who would serve it, and from when on.
register('rw1_process', function(keys)
  return {'ok ' .. me .. ' ' .. moment(redis.call('HGET', keys[1], 't'))}
end, {'no-writes'})

-- P, L, S. A fresh epoch, milliseconds of L, the epoch and offset to begin from or nothing,
-- most publications, whether to go backwards. Gives the last place, the time, and the
-- publications, one more than wanted if there are more.
register('rw1_read', function(keys, args)
  local fresh, keep, epoch, offset, limit, backwards = unpack(args)
  local e, tag = open(keys[1], fresh)
  if not e then
    return {tag}
  end
  local top = place(keys[1], keys[2], keys[3], e, keep)
  local page = {}
  if offset == '' or epoch == e then
    local count = text(tonumber(limit) + 1)
    if backwards == '1' then
      page = redis.call('XREVRANGE', keys[3], offset == '' and '+' or offset .. '-0', '-', 'COUNT', count)
    else
      page = redis.call('XRANGE', keys[3], offset == '' and '-' or '(' .. offset .. '-0', '+', 'COUNT', count)
    end
  end
  return {answer('ok', tag, top) .. ' ' .. at, page}
end)

-- P. The epoch that was fenced, who has fenced it, a fresh epoch, and the highest counter that any
-- node knows, or nothing if that is not known.
register('rw1_settle', function(keys, args)
  local fenced, fencer, fresh, seen = unpack(args)
  local h = redis.call('HMGET', keys[1], 'e', 'c', 't')
  if h[1] == fenced and string.sub(h[3], -16) ~= me and fencer == me then
    if seen == '' or tonumber(seen) > tonumber(h[2]) then
      redis.call('HSET', keys[1], 'e', fresh)
    end
    own(keys[1])
  end
  return {'ok'}
end)

-- The nodes by the end of their leases. A node, and milliseconds. Renews its lease, and
-- gives who answers, which nodes have a lease, and whose has ended.
register('rw1_beat', function(keys, args)
  redis.call('ZADD', keys[1], text(at + tonumber(args[2])), args[1])
  local live = redis.call('ZRANGEBYSCORE', keys[1], at, '+inf')
  local dead = redis.call('ZRANGEBYSCORE', keys[1], '-inf', '(' .. at)
  return {'ok ' .. me, live, dead}
end)
