// What several parts of the panel are made with.
const GONE = "The kernel is gone. Run the cell again to go on.";

const button = (parent, name, label, shape, onclick) => {
  const it = Object.assign(make("button", name, parent), { type: "button", onclick });
  if (!shape) it.textContent = label;
  else {
    it.append(icon(shape));
    it.title = label;
    it.ariaLabel = label;
  }
  return it;
};

const field = (tag, name, parent, label, more = {}) =>
  Object.assign(make(tag, name, parent), { ariaLabel: label, autocomplete: "off", ...more });

const focused = (el) => el.getRootNode().activeElement;

// Arrows move the focus within `el`, which is one stop of the Tab key.
const rove = (el) => {
  const all = [...el.querySelectorAll("button, input")];
  all.forEach((each, index) => (each.tabIndex = index ? -1 : 0));
  el.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    all.at((all.indexOf(focused(el)) + step) % all.length).focus();
  };
};

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // not served over https, or not allowed: the way of old
    const before = document.activeElement;
    const area = field("textarea", "", document.body, "", { value: text });
    area.style.position = "fixed";
    area.select();
    document.execCommand("copy");
    area.remove();
    before?.focus({ preventScroll: true });
  }
};

const copied = (button) => {
  button.replaceChildren(icon("check"));
  setTimeout(() => button.replaceChildren(icon("copy")), 1500);
};

const time = (when) => {
  const at = new Date(when);
  const day = at.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "short" };
  return at.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
};

// A text in `el` that is written over in place; `save` gets the new one.
const rewrite = (el, text, label, save) => {
  const input = field("input", "ck-field", el.parentNode, label, { value: text });
  el.replaceWith(input);
  input.select();
  const end = (saved) => {
    if (!input.isConnected) return;
    input.onblur = null;
    const inside = focused(input) === input;
    input.replaceWith(el);
    if (inside) el.focus();
    if (saved && input.value.trim() && input.value !== text) save(input.value.trim());
  };
  input.onblur = () => end(true);
  input.onkeydown = (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") event.stopPropagation();
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault(); // what gets the focus back would take Enter for a click
    end(event.key === "Enter");
  };
};
