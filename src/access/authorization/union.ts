import type { Attributes, Authorizer, Decision, Rules } from './authorizer.ts'

/** The first allow or deny ends it; all without opinion: refused, with the reasons they gave. */
export function unionAuthorizer(all: readonly Authorizer[]): Authorizer {
  function from(a: Attributes, start: number, undecided: readonly Decision[]): Decision | Promise<Decision> {
    const collected = [...undecided]
    for (let i = start; i < all.length; i++) {
      const decision = all[i]!.authorize(a)
      if (decision instanceof Promise)
        return decision.then((d) => (d.kind === 'no-opinion' ? from(a, i + 1, [...collected, d]) : d))
      if (decision.kind !== 'no-opinion') return decision
      collected.push(decision)
    }
    const error = collected.find((d) => d.error !== undefined)?.error
    const reason = collected
      .map((d) => d.reason)
      .filter((r) => r !== '')
      .join('\n')
    return error === undefined ? { kind: 'no-opinion', reason } : { kind: 'no-opinion', reason, error }
  }
  return {
    name: 'union',
    authorize: (a) => from(a, 0, []),
    rulesOf: (user, namespace) => {
      const rules = all.map((one) => one.rulesOf?.(user, namespace) ?? untold(one.name.toLowerCase()))
      return {
        resourceRules: rules.flatMap((r) => r.resourceRules),
        nonResourceRules: rules.flatMap((r) => r.nonResourceRules),
        problems: rules.flatMap((r) => r.problems),
      }
    },
  }
}

function untold(name: string): Rules {
  return {
    resourceRules: [],
    nonResourceRules: [],
    problems: [`${name} authorizer does not support user rule resolution`],
  }
}
