-- Requests as browsers send them: 600 to 700 bytes of header fields, never twice the same.
--
-- Without this, a load generator repeats one tiny request and a server that remembers
-- the last request's bytes looks faster than it will ever be.  Here the user agent,
-- the languages and the referrer vary, and the cookie is new each time.
--
-- All requests are built before the first connection opens: during the run the load
-- core only picks the next string.

local REQUESTS = 20000

local AGENTS = {
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
   "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
   "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
   "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
}

local LANGUAGES = {
   "en-US,en;q=0.9",
   "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
   "fr-CH,fr;q=0.9,en;q=0.8,de;q=0.7,*;q=0.5",
   "ja,en-US;q=0.9,en;q=0.8",
   "pt-BR,pt;q=0.9,en;q=0.8",
   "es-ES,es;q=0.8,en-US;q=0.5,en;q=0.3",
   "nl,en;q=0.9",
}

local function token(digits)
   local text = {}
   for i = 1, digits / 4 do
      text[i] = string.format("%04x", math.random(0, 65535))
   end
   return table.concat(text)
end

-- The order of the fields is Chrome's.
local function build(i)
   return table.concat({
      "GET " .. wrk.path .. " HTTP/1.1",
      "Host: " .. wrk.headers["Host"],
      "Connection: keep-alive",
      "Upgrade-Insecure-Requests: 1",
      "User-Agent: " .. AGENTS[i % #AGENTS + 1],
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Sec-Fetch-Site: same-origin",
      "Sec-Fetch-Mode: navigate",
      "Sec-Fetch-Dest: document",
      "Referer: http://" .. wrk.headers["Host"] .. "/articles/" .. math.random(1, 99999),
      "Accept-Encoding: gzip, deflate, br",
      "Accept-Language: " .. LANGUAGES[i % #LANGUAGES + 1],
      "Cookie: session=" .. token(32) .. "; theme=dark; seen=" .. token(8),
      "", "",
   }, "\r\n")
end

local requests = {}
local turn = 0

function init()
   math.randomseed(5)
   for i = 1, REQUESTS do
      requests[i] = build(i)
   end
end

function request()
   turn = turn % REQUESTS + 1
   return requests[turn]
end
