/**
 * YAML as JSON text and back: the form in which a thread takes and gives it (yaml-thread.ts), so that the thread that asks
 * pays no more than for JSON.
 */
import { JsonFloat } from './json-float.ts'
import { parseYaml, YamlError } from './yaml-reader.ts'
import { encodeYaml } from './yaml-writer.ts'

/** `problem`: repeated keys, as of parseYaml(). `failure`: the message of a YamlError. */
export type YamlAsJson = { readonly json: string; readonly problem: string | undefined } | { readonly failure: string }

/** Numbers keep what tells a float from an integer. */
export function yamlToJson(text: string): YamlAsJson {
  try {
    const { value, problem } = parseYaml(text, true)
    return { json: JSON.stringify(value, exactNumbers), problem }
  } catch (error) {
    if (error instanceof YamlError) return { failure: error.message }
    // The converter calls itself for each level of nesting, and so does JSON.stringify.
    if (error instanceof RangeError) return { failure: 'yaml: exceeded max depth' }
    throw error
  }
}

export function jsonToYaml(json: string): string {
  return encodeYaml(JSON.parse(json))
}

/** JSON.stringify asks toJSON() first, so the float is looked for in its holder. */
function exactNumbers(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return JSON.rawJSON(String(value))
  const held = (this as Record<string, unknown>)[key]
  return held instanceof JsonFloat ? JSON.rawJSON(floatLiteral(held.value)) : value
}

/** Always with a point or an exponent. */
function floatLiteral(value: number): string {
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}
