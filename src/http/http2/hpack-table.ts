/** What both sides of header compression know. Source: RFC 7541 section 4.1 and appendix A. */

/** In the order of their indices, the first of which is 1: names, some with a value behind a blank. */
const STATIC_TABLE = `:authority;:method GET;:method POST;:path /;:path /index.html;:scheme http;:scheme https;
:status 200;:status 204;:status 206;:status 304;:status 400;:status 404;:status 500;accept-charset;
accept-encoding gzip, deflate;accept-language;accept-ranges;accept;access-control-allow-origin;age;allow;
authorization;cache-control;content-disposition;content-encoding;content-language;content-length;content-location;
content-range;content-type;cookie;date;etag;expect;expires;from;host;if-match;if-modified-since;if-none-match;if-range;
if-unmodified-since;last-modified;link;location;max-forwards;proxy-authenticate;proxy-authorization;range;referer;
refresh;retry-after;server;set-cookie;strict-transport-security;transfer-encoding;user-agent;vary;via;www-authenticate`

export interface StaticField {
  readonly name: string
  /** Empty: only the name is in the table. */
  readonly value: string
}
export const STATIC_FIELDS: readonly StaticField[] = STATIC_TABLE.replaceAll('\n', '')
  .split(';')
  .map((field) => {
    const blank = field.indexOf(' ')
    return blank < 0 ? { name: field, value: '' } : { name: field.slice(0, blank), value: field.slice(blank + 1) }
  })
export const STATIC_COUNT = STATIC_FIELDS.length

/** What a field counts in a dynamic table beside its bytes. */
export const FIELD_OVERHEAD_BYTES = 32
/** The size both sides start with. */
export const DEFAULT_TABLE_BYTES = 4_096
