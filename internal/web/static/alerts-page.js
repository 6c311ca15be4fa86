// The page of alerts, and the form that makes a silence.

import { forms } from "./forms.js";
import { Page } from "./refresh.js";
import { localise, tick } from "./times.js";

localise(document);
if (document.body.dataset.follow !== undefined) forms(new Page({ prepare: localise })); // the form by itself is sent as without a script
setInterval(() => document.hidden || tick(document), 1000);
