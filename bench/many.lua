-- 10,000 files in turn: no server has the answer of the last request at hand.
-- Their names are those of files.py.

local FILES = 10000
local turn = 0

function request()
   turn = (turn + 1) % FILES
   return wrk.format("GET", string.format("/many/%04d.html", turn))
end
