// Give what ipywidgets leaves without a name the name that stands beside it on the page.
// Names refer to the visible words (aria-labelledby), so they change with them.

let count = 0;

function idOf(element) {
  element.id ||= `xrlab-name-${++count}-${Math.random().toString(36).slice(2)}`;
  return element.id;
}

function call(element, words, role) {
  if (!words.length) return;
  const [name, ...more] = words.map(idOf);
  element.setAttribute("aria-labelledby", name);
  if (more.length) element.setAttribute("aria-describedby", more.join(" "));
  if (role) element.setAttribute("role", role);
}

const UNNAMED = ":not([aria-label]):not([aria-labelledby])";

// Handle and editable number of a slider: its label. A tooltip tells more.
function nameSliders(root) {
  const parts = `[role=slider]${UNNAMED}, .widget-readout[contenteditable=true]${UNNAMED}`;
  for (const part of root.querySelectorAll(parts)) {
    const slider = part.closest(".widget-slider");
    const label = slider?.querySelector(".widget-label");
    if (!label?.textContent.trim()) continue;
    const readout = part.classList.contains("widget-readout");
    call(part, [label], readout && "textbox");
    const tip = slider.getAttribute("title") || label.getAttribute("title");
    if (tip && !readout) part.setAttribute("aria-description", tip);
  }
}

// A choice among circles: its label, or the words before it.
function nameChoices(root) {
  for (const choice of root.querySelectorAll(`.widget-radio-box${UNNAMED}`)) {
    const label = choice.closest(".widget-radio")?.querySelector(".widget-label");
    const shown = label?.textContent.trim() ? [label] : captions(choice.closest(".widget-radio"));
    call(choice, shown.slice(0, 1), "radiogroup");
  }
}

// Words that stand in the same column.
function captions(element) {
  const column = element?.closest(".widget-vbox");
  return [...(column?.children ?? [])].filter(
    (each) => each.matches(".widget-html, .widget-label") && each.textContent.trim(),
  );
}

function namePictures(root) {
  for (const picture of root.querySelectorAll(`img.widget-image:not([alt])${UNNAMED}`))
    call(picture, captions(picture));
}

function nameFigures(root) {
  for (const figure of root.querySelectorAll(`.js-plotly-plot${UNNAMED}`)) {
    const { meta, title } = figure.layout ?? {};
    const words = meta?.description || title?.text;
    if (!words) continue;
    figure.setAttribute("role", "figure");
    figure.setAttribute("aria-label", words);
  }
}

function nameAll(root) {
  for (const each of [nameSliders, nameChoices, namePictures, nameFigures]) each(root);
}

function render({ el }) {
  el.hidden = true;
  let watcher;
  const begin = () => {
    const root = el.parentElement?.closest(".widget-container");
    if (!root) return;
    nameAll(root);
    watcher = new MutationObserver(() => nameAll(root));
    watcher.observe(root, { childList: true, subtree: true });
  };
  // Views are put into the page after they are made.
  const wait = setInterval(() => {
    if (!el.isConnected) return;
    clearInterval(wait);
    begin();
  }, 50);
  return () => {
    clearInterval(wait);
    watcher?.disconnect();
  };
}

export default { render };
