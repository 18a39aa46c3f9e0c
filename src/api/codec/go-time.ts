/**
 * Times as metav1.Time and metav1.MicroTime hold them: RFC 3339 text in JSON, seconds and nanoseconds in
 * protobuf. Errors are worded as Go's time.Parse does.
 */
export interface Instant {
  /** Since 1970 UTC; negative before. */
  readonly seconds: number
  readonly nanos: number
}

const SECONDS_LAYOUT = '2006-01-02T15:04:05Z07:00'
const MICRO_LAYOUT = '2006-01-02T15:04:05.000000Z07:00'
/** Element of the layout -> what it matches. */
const ELEMENTS: readonly (readonly [string, RegExp])[] = [
  ['2006', /^\d{4}/],
  ['-', /^-/],
  ['01', /^\d{2}/],
  ['-', /^-/],
  ['02', /^\d{2}/],
  ['T', /^T/],
  ['15', /^\d{1,2}/],
  [':', /^:/],
  ['04', /^\d{2}/],
  [':', /^:/],
  ['05', /^\d{2}/],
]
const FRACTION = /^[.,]\d+/
const MICROS = /^[.,]\d{6}/
const ZONE = /^(?:Z|[+-]\d{2}:\d{2})/

/** A valid time as servers write it, but for the 29th of February. */
const CANONICAL =
  /^\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/

/** The text as servers write it. @throws Error in Go's words. */
export function canonicalTime(text: string): string {
  return CANONICAL.test(text) ? text : formatTime(parseTime(text))
}

/** @throws Error in Go's words. The fraction of a second is dropped, as metav1.Time drops it on writing. */
export function parseTime(text: string): Instant {
  if (CANONICAL.test(text)) return { seconds: Date.parse(text) / 1000, nanos: 0 }
  const { seconds } = parse(text, SECONDS_LAYOUT, false)
  return { seconds, nanos: 0 }
}

/** @throws Error in Go's words. Six digits of fraction are required. */
export function parseMicroTime(text: string): Instant {
  return parse(text, MICRO_LAYOUT, true)
}

/** `2026-01-02T03:04:05Z`. */
export function formatTime(t: Instant): string {
  return `${secondText(t.seconds)}Z`
}

/** `2026-01-02T03:04:05.000001Z`. */
export function formatMicroTime(t: Instant): string {
  const micros = String(Math.floor(t.nanos / 1000)).padStart(6, '0')
  return `${secondText(t.seconds)}.${micros}Z`
}

const DAY_SECONDS = 86_400
/** First and last second of the years that have four digits: 0000 to 9999. */
const FOUR_DIGITS = { first: -62_167_219_200, last: 253_402_300_799 }
const TWO_DIGITS = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'))

/** `2026-01-02T03:04:05`. A Date costs several times as much, and each stored object has two times or more. */
function secondText(seconds: number): string {
  if (!(seconds >= FOUR_DIGITS.first && seconds <= FOUR_DIGITS.last))
    return new Date(seconds * 1000).toISOString().slice(0, 19)
  const day = Math.floor(seconds / DAY_SECONDS)
  const second = seconds - day * DAY_SECONDS
  const hours = TWO_DIGITS[Math.floor(second / 3600)]!
  const minutes = TWO_DIGITS[Math.floor((second % 3600) / 60)]!
  return `${dayText(day)}T${hours}:${minutes}:${TWO_DIGITS[second % 60]!}`
}

/** @param day since 1970-01-01. Years are counted from March, so that a leap day is the last of its year. */
function dayText(day: number): string {
  const sinceYear0 = day + 719_468
  const era = Math.floor(sinceYear0 / 146_097)
  const ofEra = sinceYear0 - era * 146_097
  const leapDays = Math.floor(ofEra / 1460) - Math.floor(ofEra / 36_524) + Math.floor(ofEra / 146_096)
  const yearOfEra = Math.floor((ofEra - leapDays) / 365)
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const fromMarch = Math.floor((5 * ofYear + 2) / 153)
  const ofMonth = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${String(year).padStart(4, '0')}-${TWO_DIGITS[month]!}-${TWO_DIGITS[ofMonth]!}`
}

function parse(text: string, layout: string, micros: boolean): Instant {
  const fail = (rest: string, element: string): Error =>
    new Error(`parsing time ${quote(text)} as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(element)}`)
  let rest = text
  const take = (element: string, pattern: RegExp): string => {
    const found = pattern.exec(rest)
    if (!found) throw fail(rest, element)
    rest = rest.slice(found[0].length)
    return found[0]
  }
  const parts = ELEMENTS.map(([element, pattern]) => take(element, pattern))
  const fraction = micros ? take('.000000', MICROS) : (FRACTION.exec(rest)?.[0] ?? '')
  if (!micros) rest = rest.slice(fraction.length)
  const zone = take('Z07:00', ZONE)
  if (rest !== '') throw new Error(`parsing time ${quote(text)}: extra text: ${quote(rest)}`)
  return { seconds: secondsOf(text, parts.map(Number), zone), nanos: nanosOf(fraction) }
}

function secondsOf(text: string, parts: readonly number[], zone: string): number {
  const [year, , month, , day, , hour, , minute, , second] = parts as Required<readonly number[]>
  const outOfRange = (what: string): Error => new Error(`parsing time ${quote(text)}: ${what} out of range`)
  if (month! < 1 || month! > 12) throw outOfRange('month')
  if (day! < 1 || day! > daysIn(year!, month!)) throw outOfRange('day')
  if (hour! > 23) throw outOfRange('hour')
  if (minute! > 59) throw outOfRange('minute')
  if (second! > 59) throw outOfRange('second')
  const utc = new Date(0)
  utc.setUTCFullYear(year!, month! - 1, day!)
  utc.setUTCHours(hour!, minute!, second!)
  return utc.getTime() / 1000 - offsetSeconds(zone)
}

function daysIn(year: number, month: number): number {
  const lastDay = new Date(0)
  lastDay.setUTCFullYear(year, month, 0)
  return lastDay.getUTCDate()
}

function offsetSeconds(zone: string): number {
  if (zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))
  return (zone[0] === '-' ? -minutes : minutes) * 60
}

function nanosOf(fraction: string): number {
  return fraction === '' ? 0 : Number(fraction.slice(1, 10).padEnd(9, '0'))
}

function quote(text: string): string {
  return JSON.stringify(text)
}
