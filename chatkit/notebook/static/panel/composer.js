const BUSY =
  "The kernel is busy; this is done when the cell that runs ends. " +
  "To stop now: interrupt it, then chat.stop().";
const LIMIT = 8; // MB of one file: Jupyter's server takes messages of up to 10

// Where one writes: text, files, and what the kernel has to say about them.
class Composer {
  constructor(parent, panel) {
    this.panel = panel;
    this.el = make("div", "ck-composer", parent);
    this.el.role = "form";
    this.el.ariaLabel = "Write a message";
    this.editing = make("div", "ck-editing", this.el);
    this.about = make("span", "", this.editing);
    button(this.editing, "ck-plain", "Cancel", null, () => this.leave());
    this.files = make("ul", "ck-files", this.el);
    this.files.ariaLabel = "Attached files";
    const row = make("div", "ck-row", this.el);
    this.picker = field("input", "", row, "Files", { type: "file", multiple: true, hidden: true });
    this.picker.onchange = () => this.attach([...this.picker.files], (this.picker.value = ""));
    this.clip = button(row, "ck-icon", "Attach files", "attach", () => this.picker.click());
    this.grow = make("div", "ck-grow", row);
    this.text = field("textarea", "", this.grow, "Message", { rows: 1, spellcheck: true });
    this.text.oninput = () => this.typed();
    this.text.onkeydown = (event) => this.key(event);
    this.text.onpaste = (event) => this.pasted(event);
    this.stop = button(row, "ck-round ck-stop", "Stop (Esc)", "stop", () => panel.click("stop"));
    this.send = button(row, "ck-round", "Send (Enter)", "send", () => this.submit());
    const under = make("div", "ck-under", this.el);
    this.hint = make("span", "ck-hint", under);
    this.hint.role = "alert";
    this.totals = make("span", "ck-totals", under);
    this.restore();
  }

  // The draft outlives the page where the browser keeps things for it; that is no promise.
  kept(act) {
    try {
      return act(localStorage, this.panel.kernel.chat.draftKey);
    } catch {
      return null;
    }
  }

  restore() {
    this.draftKey = this.panel.kernel.chat.draftKey;
    this.edited = this.before = undefined;
    this.put(this.kept((store, key) => store.getItem(key)) ?? "");
  }

  put(text) {
    this.text.value = text;
    this.state();
  }

  typed() {
    this.wrong = "";
    this.state();
    if (!this.edited)
      this.kept((store, key) => (this.text.value ? store.setItem(key, this.text.value) : store.removeItem(key)));
  }

  state() {
    const { chat, files, gone, late } = this.panel.kernel;
    const said = this.text.value.trim() || files.length;
    const active = chat.status === "submitted" || chat.status === "streaming";
    const had = [this.stop, this.send].includes(focused(this.el));
    this.grow.dataset.text = this.text.value; // a copy of it, unseen, makes the room
    this.text.placeholder = gone ? "" : active ? "Write on: it is asked next" : "Message";
    this.text.disabled = this.clip.disabled = !!gone;
    this.text.readOnly = !!this.sending;
    this.stop.hidden = !active;
    this.send.hidden = active && !said;
    this.send.disabled = !said || gone || !!this.sending;
    if (had && focused(this.el) !== this.stop && (this.send.hidden || this.send.disabled)) this.text.focus();
    this.el.classList.toggle("ck-sending", !!this.sending);
    this.editing.hidden = !this.edited;
    this.hint.classList.toggle("ck-wrong", !!this.wrong || !!gone);
    const hint = gone ? GONE : this.wrong || (late.size ? BUSY : "");
    if (this.hint.textContent !== hint) this.hint.textContent = hint;
    if (this.totals.textContent !== (chat.totals ?? "")) this.totals.textContent = chat.totals ?? "";
    this.picker.accept = chat.accepts ?? "";
  }

  key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "ArrowUp" && !this.text.value && !this.edited) {
      const { order, known } = this.panel.kernel;
      const id = order.findLast((id) => known.get(id).does.includes("edit"));
      if (!id) return;
      event.preventDefault();
      this.panel.click("ask_edit", { id });
    }
  }

  async submit() {
    if (this.send.disabled) return;
    this.sending = true;
    this.wrong = "";
    this.state();
    await this.reading;
    if (!this.sending) return; // one of the files was refused
    const text = this.text.value;
    if (this.edited) this.panel.click("save_edit", { id: this.edited, text });
    else this.panel.click("send", { text });
  }

  sent() {
    this.sending = false;
    if (this.edited) return this.leave();
    this.put("");
    this.typed();
  }

  refused(words) {
    this.sending = false;
    this.wrong = words;
    this.state();
  }

  edit(id, text, files = []) {
    const kept = files.length ? `Its files stay: ${files.join(", ")}.` : "What came after stays on a branch of its own.";
    this.about.textContent = `Editing your message. ${kept}`;
    this.before ??= this.text.value;
    this.edited = id;
    this.panel.history.mark(id);
    this.put(text);
    this.text.focus();
    this.text.setSelectionRange(text.length, text.length);
  }

  leave() {
    this.edited = null;
    this.panel.history.mark(null);
    this.put(this.before ?? "");
    this.before = undefined;
    this.text.focus();
  }

  pasted(event) {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain")) return; // a spreadsheet gives a picture too
    event.preventDefault();
    this.attach([...files]);
  }

  attach(files) {
    this.reading = this.read(files, this.reading); // a message that is sent meanwhile waits for it
  }

  async read(files, before) {
    await before;
    for (const file of files) {
      if (file.size > LIMIT * 1e6) {
        this.refused(`${file.name} is larger than ${LIMIT} MB: give its path in chat.send(…, files=[…]).`);
        continue;
      }
      const { name, type } = file;
      this.panel.click("attach", { name, type }, [await file.arrayBuffer()]);
    }
    this.text.focus();
  }

  chips() {
    const { files } = this.panel.kernel;
    this.files.replaceChildren();
    for (const { id, name, size, picture } of files) {
      const chip = make("li", "", this.files);
      const shown = make("span", "ck-picture", chip);
      if (picture) shown.innerHTML = picture;
      make("span", "ck-name", chip).textContent = name;
      make("span", "ck-quiet", chip).textContent = size;
      button(chip, "ck-icon", `Remove ${name}`, "close", () => {
        this.panel.click("detach", { file: id });
        this.text.focus();
      });
    }
    this.state();
  }
}
