// The page of alerts, and the form that makes a silence.

import { forms } from "./forms.js";
import { Page } from "./refresh.js";
import { localise, tick } from "./times.js";

localise(document);
forms(document.body.dataset.follow === undefined ? null : new Page({ prepare: localise }));
setInterval(() => document.hidden || tick(document), 1000);
