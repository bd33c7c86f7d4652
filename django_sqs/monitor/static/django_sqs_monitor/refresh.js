/* Fetches the page again every few seconds and puts the new figures in its place. */
"use strict";
{
    const place = () => document.querySelector("[data-refresh]");
    const refresh = async () => {
        // Not while somebody selects text.
        if (!document.getSelection().isCollapsed) {
            return;
        }
        const answer = await fetch(location.href, {credentials: "same-origin"});
        if (!answer.ok || answer.redirected) {
            return;
        }
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const content = fresh.querySelector("[data-refresh]");
        if (content) {
            const focused = document.activeElement.getAttribute("href");
            place().replaceChildren(...content.children);
            if (focused) {
                place().querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
            }
        }
    };
    const again = () => refresh().catch(() => {});
    let timer = null;
    // A page that nobody looks at asks for nothing; one that is looked at again is fresh at once.
    const look = () => {
        if (document.hidden) {
            clearInterval(timer);
            timer = null;
        } else if (timer === null) {
            timer = setInterval(again, place().dataset.refresh * 1000);
        }
    };
    document.addEventListener("visibilitychange", () => {
        look();
        if (!document.hidden) {
            again();
        }
    });
    look();
}
