/** What the cells of tables are made of. Callers: table-cells.ts and the modules of kinds. */
import type { KubeObject } from '../api/meta.ts'
import { humanDuration } from './human-duration.ts'

export type Cell = string | number | boolean
/** @param now wall time in ms, for ages. */
export type CellFunction = (object: KubeObject, now: number) => Cell

const NONE = '<none>'
const MAX_LISTED = 3

/** Follows a dotted path; undefined where it ends. */
export function at(value: unknown, path: string): unknown {
  let current = value
  for (const key of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = (current as Record<string, unknown>)[key]
  }
  return current
}
export const scalar = (value: unknown): Cell =>
  typeof value === 'number' || typeof value === 'boolean' ? value : typeof value === 'string' ? value : ''
export const text = (object: unknown, path: string): string => String(scalar(at(object, path)))
export const list = (object: unknown, path: string): readonly unknown[] => {
  const value = at(object, path)
  return Array.isArray(value) ? value : []
}

export const texts = (entries: readonly unknown[]): string[] => entries.map((e) => String(scalar(e)))

export function age(time: unknown, now: number): string {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? '<unknown>' : humanDuration(now - ms)
}

export function truncated(entries: readonly string[], empty: string): string {
  if (entries.length === 0) return empty
  const shown = entries.slice(0, MAX_LISTED).join(',')
  return entries.length > MAX_LISTED ? `${shown} + ${entries.length - MAX_LISTED} more...` : shown
}

export const joined = (entries: readonly string[]): string => (entries.length === 0 ? NONE : entries.join(','))
