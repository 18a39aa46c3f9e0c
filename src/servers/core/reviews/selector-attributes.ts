/** The fieldSelector and labelSelector of a SubjectAccessReview: what they may say, and what of it counts. Pure. */
import type { SelectorRequirement } from '../../../access/authorization/authorizer.ts'
import { readFieldRequirements, readLabelRequirements } from '../../../access/authorization/selector-requirements.ts'
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { labelValue, qualifiedName } from '../../../api/names.ts'

interface WireRequirement {
  readonly key?: string
  readonly operator?: string
  readonly values?: readonly string[]
}
export interface SelectorAttributes {
  readonly rawSelector?: string
  readonly requirements?: readonly WireRequirement[]
}
/** In a SubjectAccessReview's resourceAttributes. */
export interface Selectors {
  readonly fieldSelector?: SelectorAttributes
  readonly labelSelector?: SelectorAttributes
}

const WITH_VALUES = new Set(['In', 'NotIn'])
const WITHOUT_VALUES = new Set(['Exists', 'DoesNotExist'])

export function selectorErrors({ fieldSelector, labelSelector }: Selectors, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (fieldSelector) errors.push(...errorsOf(fieldSelector, `${path}.fieldSelector`, fieldErrors))
  if (labelSelector) errors.push(...errorsOf(labelSelector, `${path}.labelSelector`, labelErrors))
  return errors
}

type RequirementErrors = (requirement: WireRequirement, path: string) => readonly FieldError[]

function errorsOf(selector: SelectorAttributes, path: string, ofOne: RequirementErrors): readonly FieldError[] {
  const { rawSelector = '', requirements = [] } = selector
  if (rawSelector !== '' && requirements.length > 0)
    return [
      fieldError.invalid(`${path}.rawSelector`, rawSelector, 'may not specified at the same time as requirements'),
    ]
  if (rawSelector === '' && requirements.length === 0)
    return [
      fieldError.required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`),
    ]
  return requirements.flatMap((r, i) => ofOne(r, `${path}.requirements[${i}]`))
}

const fieldErrors: RequirementErrors = (requirement, path) => [
  ...((requirement.key ?? '') === '' ? [fieldError.required(`${path}.key`, 'must be specified')] : []),
  ...valueErrors(requirement, path),
]
const labelErrors: RequirementErrors = (requirement, path) => {
  const { key = '', values = [] } = requirement
  return [
    ...valueErrors(requirement, path),
    ...qualifiedName(key).map((text) => fieldError.invalid(`${path}.key`, key, text)),
    ...values.flatMap((v, i) => labelValue(v).map((text) => fieldError.invalid(`${path}.values[${i}]`, v, text))),
  ]
}
const valueErrors: RequirementErrors = ({ operator = '', values = [] }, path) => {
  if (WITH_VALUES.has(operator) && values.length === 0)
    return [fieldError.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")]
  if (WITHOUT_VALUES.has(operator) && values.length > 0)
    return [
      fieldError.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
    ]
  return []
}

export interface ReadSelectors {
  readonly fieldSelector?: readonly SelectorRequirement[] | undefined
  readonly labelSelector?: readonly SelectorRequirement[] | undefined
  /** What was left out, and why: for evaluationError. */
  readonly problems: string[]
}

/** What authorizers are asked about. A selector that cannot be read counts as none: less is allowed then, not more. */
export function readSelectors({ fieldSelector, labelSelector }: Selectors, path: string): ReadSelectors {
  const problems: string[] = []
  const read = (
    name: string,
    selector: SelectorAttributes | undefined,
    parse: (text: string) => readonly SelectorRequirement[],
    isSupported: (r: WireRequirement) => boolean,
  ): readonly SelectorRequirement[] | undefined => {
    if (!selector) return undefined
    const { rawSelector = '', requirements = [] } = selector
    const supported = requirements.filter(isSupported) as SelectorRequirement[]
    let parsed: readonly SelectorRequirement[] | undefined
    try {
      parsed = rawSelector === '' ? supported : parse(rawSelector)
    } catch {
      parsed = undefined
    }
    const isLess = !parsed || supported.length < requirements.length
    if (isLess) problems.push(`${path}.${name} ${parsed?.length ? 'partially ' : ''}ignored due to parse error`)
    return parsed?.length === 0 ? undefined : parsed
  }
  return {
    fieldSelector: read('fieldSelector', fieldSelector, readFieldRequirements, isFieldRequirement),
    labelSelector: read('labelSelector', labelSelector, readLabelRequirements, isLabelRequirement),
    problems,
  }
}

/** A field has one value. */
const isFieldRequirement = ({ operator = '', values = [] }: WireRequirement): boolean =>
  WITH_VALUES.has(operator) && values.length === 1
const isLabelRequirement = ({ operator = '' }: WireRequirement): boolean =>
  WITH_VALUES.has(operator) || WITHOUT_VALUES.has(operator)
