// Times in the reader's own zone. Without this script they are in UTC, and say so.
"use strict";

/** Shows the times within an element as the reader's clock does; the exact time in UTC is their title. */
function localTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime()) || time.dataset.local) continue;
    time.dataset.local = "yes";
    time.title = time.textContent;
    const two = (number) => String(number).padStart(2, "0");
    const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
    const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
    time.textContent = time.dataset.clock ? `${clock}:${two(moment.getSeconds())}` : `${day} ${clock}`;
  }
}

localTimes(document);
