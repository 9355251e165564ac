/**
 * Bytes that the headers of one request may take, tokens of large claims included. uWebSockets.js reads this name from
 * the environment when it is loaded, and takes 4 KiB without it: so this file is imported before it.
 */
const headerBytes = 16 * 1024;

process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(headerBytes);
