// After the first visit the page needs no network: all files of one build, kept by the browser.

const NAME = "xrlab-BUILD";
const files = FILES;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(NAME) // ask the server for each file, so that no older one is kept
      .then((cache) => cache.addAll(files.map((name) => new Request(name, { cache: "no-cache" }))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys())
        if (name.startsWith("xrlab-") && name !== NAME) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(NAME);
      const kept = await cache.match(request.mode === "navigate" ? "./" : request, { ignoreSearch: true });
      return kept ?? fetch(request);
    })(),
  );
});
