/* Who clicks twice, or again while a page is slow, means it once: the second would be done as well. */
"use strict";
{
    // Milliseconds after which whoever clicks again has given up the first.
    const PATIENCE = 30000;
    const sent = new Map();
    document.addEventListener("submit", event => {
        if (event.defaultPrevented || event.target.method !== "post") {
            return;
        }
        if (Date.now() - (sent.get(event.target) ?? 0) < PATIENCE) {
            event.preventDefault();
        } else {
            sent.set(event.target, Date.now());
        }
    });
    // A page that somebody comes back to by the browser's button may be as they left it.
    window.addEventListener("pageshow", () => sent.clear());
}
