/** The selectors of a list, watch or deletecollection as authorizers see them: requirements, all of which hold. Pure. */
import { parseFieldSelector } from '../../api/field-selector.ts'
import { type LabelOperator, parseLabelSelector } from '../../api/label-selector.ts'
import type { SelectorRequirement } from './authorizer.ts'

const LABEL_OPERATORS: Readonly<Partial<Record<LabelOperator, SelectorRequirement['operator']>>> = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
}

/** @throws Error for a text that is no field selector. */
export function readFieldRequirements(text: string): readonly SelectorRequirement[] {
  return parseFieldSelector(text).requirements.map(({ field, operator, value }) => ({
    key: field,
    operator: operator === '=' ? 'In' : 'NotIn',
    values: [value],
  }))
}
/** Requirements that compare numbers are left out: no review can carry them. @throws Error for a text that is no label selector. */
export function readLabelRequirements(text: string): readonly SelectorRequirement[] {
  return parseLabelSelector(text).requirements.flatMap(({ key, operator, values }) => {
    const known = LABEL_OPERATORS[operator]
    return known ? [{ key, operator: known, ...(values.length === 0 ? {} : { values }) }] : []
  })
}

/**
 * The requirements of a request. A request whose selector cannot be read is authorized without it, and refused by its
 * handler.
 *
 * @returns undefined where nothing is required.
 */
export function requirementsOf(
  read: (text: string) => readonly SelectorRequirement[],
  text: string,
): readonly SelectorRequirement[] | undefined {
  if (text === '') return undefined
  try {
    const requirements = read(text)
    return requirements.length === 0 ? undefined : requirements
  } catch {
    return undefined
  }
}
