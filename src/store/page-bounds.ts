/** Characters of one page: what a reader who falls behind costs. One event alone may be larger. */
export const pageChars = 1024 * 1024;
/** Of an event whose size nobody wrote down. */
export const usualChars = 2_000;
