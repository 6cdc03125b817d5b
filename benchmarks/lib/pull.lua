-- What one client asks for: the manifest by tag, then the same one by digest, in turns.
local requests, last = {}, 0

function init(paths)
  for at, path in ipairs(paths) do requests[at] = wrk.format("GET", path) end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
