/* Fetches the page again every few seconds and shows what is new in it. */
"use strict";
{
    const place = () => document.querySelector("[data-refresh]");
    // Changes what differs and nothing else: what is focused, scrolled or read aloud stays.
    const update = (old, fresh) => {
        if (old.isEqualNode(fresh)) {
            return;
        }
        if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName) {
            old.replaceWith(fresh);
            return;
        }
        for (const {name} of [...old.attributes]) {
            if (!fresh.hasAttribute(name)) {
                old.removeAttribute(name);
            }
        }
        for (const {name, value} of fresh.attributes) {
            old.setAttribute(name, value);
        }
        const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
        before.slice(after.length).forEach(each => each.remove());
        after.forEach((each, n) => n < before.length ? update(before[n], each) : old.append(each));
    };
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
            update(place(), content);
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
