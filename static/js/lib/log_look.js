// @ts-check
/** Display settings of lines, stored in the browser: wrapping and arrival times. */

const LOOKS = ["wrap", "times"];

export class LogLook {
  /** @param {HTMLElement} panel @param {() => void} onChange lines have another height */
  constructor(panel, onChange) {
    this.panel = panel;
    this.onChange = onChange;
  }

  /** Stored settings; small screens hide times by default. */
  restore() {
    const isSmall = matchMedia("(max-width: 760px)").matches;
    for (const name of LOOKS) {
      const kept = localStorage.getItem(`log-${name}`) ?? (name === "times" && isSmall ? "no" : "yes");
      this.#set(name, kept !== "no");
    }
  }

  /** @param {string} name @returns {boolean} false: it is none of these */
  toggle(name) {
    if (!LOOKS.includes(name)) return false;
    const isOn = this.#button(name)?.getAttribute("aria-pressed") !== "true";
    localStorage.setItem(`log-${name}`, isOn ? "yes" : "no");
    this.#set(name, isOn);
    return true;
  }

  /** @param {string} name @param {boolean} isOn */
  #set(name, isOn) {
    this.panel.querySelector(".log")?.classList.toggle(`no${name}`, !isOn);
    this.#button(name)?.setAttribute("aria-pressed", String(isOn));
    this.onChange();
  }

  /** @param {string} name */
  #button(name) {
    return this.panel.querySelector(`[data-do="${name}"]`);
  }
}
