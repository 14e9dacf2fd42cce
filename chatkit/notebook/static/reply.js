// The view of one answer in a cell.
const BUSY = "The kernel is busy: it takes this when the cell that runs has ended.";
const CANNOT_STOP = "The kernel is busy. Interrupt the cell that runs, then call chat.stop().";
const LIKE_MARKDOWN = "jp-RenderedHTMLCommon jp-RenderedMarkdown";

// Tell the kernel what was clicked, and `say` so where it does not take it; returns what is to
// be called when it does.
const press = (model, what, say) => {
  model.send({ do: what });
  const timer = setTimeout(() => say(what === "stop" ? CANNOT_STOP : BUSY), 1500);
  return () => {
    clearTimeout(timer);
    say("");
  };
};

class View extends Answer {
  constructor(el, unfolded, click) {
    el.classList.add("chatkit-reply");
    super(el, unfolded, click, LIKE_MARKDOWN);
    this.el = el;
    this.line.role = "status";
    this.busy = make("span", "", this.below);
    this.busy.role = "alert";
    requestAnimationFrame(() => this.look());
  }

  // Remember the output in which it stands: of its going it hears when it is out of it.
  look() {
    const output = this.el.closest(".jp-OutputArea-child");
    this.place = output?.parentNode && [output.parentNode, output.previousElementSibling];
  }

  // Lab takes some frames to make the Markdown that takes the place of this, and to colour its
  // code: until it shows it, for which it empties the node, this stands there. Returns whether.
  stay() {
    const [area, before] = this.place ?? [];
    const output = before ? before.nextElementSibling : area?.firstElementChild;
    const place = output?.querySelector(":scope > .jp-RenderedMarkdown:empty");
    if (!place) return false;
    this.foot = () => {}; // how it ended is said there, and what can be done below it
    this.buttons.style.visibility = "hidden";
    place.append(this.el);
    return true;
  }
}

export default () => {
  const views = new Set();
  let seen = 0; // how many of them Lab shows
  const unfolded = new Set(); // outlives a view: Lab makes a new one when an output is updated
  let shown; // what the kernel has told
  let born; // this page saw the widget made: what takes its place at the end arrives here
  let asked;
  let leave;
  let busy = ""; // what is said of a click that the kernel does not take
  let taken = () => {}; // to be called when the kernel has taken the last click

  const paint = (view) => view.paint(shown.sections, shown.foot);

  const change = (told) => {
    learn(shown.sections, told);
    views.forEach((view) => view.change(shown.sections, told));
  };

  return {
    initialize({ model }) {
      const load = () => {
        const told = model.get("shown");
        asked = false;
        if (shown?.number === told.number) return; // another page has asked for it
        shown = structuredClone(told);
        views.forEach(paint);
      };
      load();
      born = !shown.opened;
      leave = () => shown.foot.over && born && !seen && model.send({ do: "close" });
      model.on("change:shown", load);
      if (!born) model.send({ do: "tell" }); // of what came while the page was loading
      model.on("comm_live_update", () => {
        const line = shown.foot.over ? shown.foot.line : shown.foot.gone;
        shown.foot = { ...shown.foot, over: true, since: null, line, buttons: [] };
        views.forEach((view) => view.foot(shown.foot));
      });
      model.on("msg:custom", ({ heard, number, changes = [], foot }) => {
        if (heard) return taken();
        if (number <= shown.number) return; // what was loaded last has it
        if (number !== shown.number + 1) {
          if (!asked) model.send({ do: "tell" });
          asked = true; // something was missed, as while a page loads
          return;
        }
        shown.number = number;
        changes.forEach(change);
        if (foot) {
          shown.foot = foot;
          views.forEach((view) => view.foot(foot));
        }
        views.forEach((view) => view.look());
        leave();
      });
    },
    render({ model, el }) {
      const click = (what) => {
        taken();
        taken = press(model, what, (words) => {
          busy = words;
          views.forEach((each) => (each.busy.textContent = words));
        });
      };
      const view = new View(el, unfolded, click);
      views.add(view);
      seen += 1;
      view.busy.textContent = busy;
      paint(view);
      return () => {
        clearInterval(view.timer);
        seen -= 1;
        queueMicrotask(() => view.stay() || views.delete(view)); // after this, all is in its place
        leave();
      };
    },
  };
};
