// @ts-check
/** The form of a whole pipeline: what its checks come to stands beside its button. */

import { watchChecks } from "./lib/launch_checked.js";

watchChecks();
