// @ts-check
/** A chat that is only read: of another person, or its earlier turns. */

import { Follower } from "./lib/follow.js";
import { expand, showEnded } from "./lib/turn_view.js";

const page = new Follower(document.documentElement);
for (const turn of document.querySelectorAll("[data-turn]")) showEnded(/** @type {HTMLElement} */ (turn), page);
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (button) expand(button);
});
