// @ts-check
/** The form of a whole pipeline: what its checks come to stands beside its button. */

import { countChecks } from "./lib/launch_checked.js";

document.body.addEventListener("htmx:afterSettle", countChecks);
countChecks();
