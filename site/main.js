import { version } from "./shared.js";
import { openDraw } from "./draw.js";
import { openGuess } from "./guess.js";
import { openRead } from "./read.js";
import { warmUp } from "./network.js";

const doors = { draw: openDraw, guess: openGuess, read: openRead };
const tabs = [...document.querySelectorAll("[role=tab]")];
const room = document.getElementById("door");
const made = new Map();
let leave = null;

// #draw, #guess, #read, or #read=... with a shared answer.
function show() {
  const [name, given] = location.hash.slice(1).split(/=(.*)/s);
  const door = doors[name] ? name : "draw";
  for (const tab of tabs) {
    const chosen = tab.dataset.door === door;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) room.setAttribute("aria-labelledby", tab.id);
  }
  leave?.();
  if (!made.has(door)) {
    const place = document.createElement("div");
    place.className = `door ${door}`;
    made.set(door, { place, ...doors[door](place) });
  }
  const { place, enter, exit } = made.get(door);
  room.replaceChildren(place);
  leave = exit;
  enter?.(given);
}

for (const [n, tab] of tabs.entries()) {
  tab.addEventListener("click", () => (location.hash = tab.dataset.door));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(n + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
}
window.addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  room.focus();
});

// Light, dark, or as the system says.
const themes = ["auto", "light", "dark"];
const button = document.getElementById("theme");
let theme = remembered() ?? "auto";
function remembered(value) {
  try {
    if (value) localStorage.setItem("xrlab-theme", value);
    return localStorage.getItem("xrlab-theme");
  } catch {
    return null; // a browser that keeps nothing
  }
}
function paintTheme() {
  document.documentElement.dataset.theme = theme;
  button.setAttribute("aria-label", `Light or dark: ${theme === "auto" ? "as the system" : theme}`);
  button.title = button.getAttribute("aria-label");
}
button.addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  remembered(theme);
  paintTheme();
});
paintTheme();

document.getElementById("version").textContent = version;
show();
performance.mark("first picture");
warmUp()
  .catch(() => null) // the doors say what is wrong
  .then(async () => {
    if (!("serviceWorker" in navigator)) return;
    await navigator.serviceWorker.register("service-worker.js").catch(() => null);
    await navigator.serviceWorker.ready;
    document.getElementById("offline").textContent = "It also works without a network now.";
  });
