// @ts-check
/** Pipeline form: summary of its checks next to the button. */

import { watchChecks } from "./lib/launch_checked.js";

watchChecks();
