// Package e2e drives the live page in a real browser: a gateway in this
// process, polling real HTTP servers and running real commands, and a
// headless Chromium that looks at it.
//
// The tests hold every moment in their hands and never sleep. An upstream
// says what it is told to say, a job prints what it is told to print, and a
// page is waited for by a condition on its document, which is looked at again
// at each change of it.
//
// Every test also fails for an error on the console, an exception, a
// violation of the Content-Security-Policy, and for a page that scrolls
// sideways.
//
// Chromium is found as TIDEWIRE_CHROMIUM says, or in the PATH as chromium, chromium-browser or google-chrome; Firefox as
// TIDEWIRE_FIREFOX says, or as firefox-esr or firefox; nginx in the PATH. axe-core is what `npm ci` has put here. With UPDATE_SCREENSHOTS=1 the pictures
// in docs/images are taken anew.
package e2e
