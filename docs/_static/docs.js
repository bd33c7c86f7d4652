/* What scrolls sideways is reached by keyboard, in browsers that do not see to that themselves. */
"use strict";
{
    const mark = () => {
        for (const each of document.querySelectorAll("article pre, article .table-wrapper")) {
            if (each.scrollWidth > each.clientWidth) {
                each.tabIndex = 0;
            } else {
                each.removeAttribute("tabindex");
            }
        }
    };
    addEventListener("resize", mark);
    mark();
}
