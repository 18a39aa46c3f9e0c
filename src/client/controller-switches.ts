/** `--controllers`, in the syntax of kube-controller-manager: `*` for all, `name` or `+name` for on, `-name` for off. */

/** Names that kube-controller-manager gives controllers end with this; the name without it is the same. */
const SUFFIX = '-controller'

export class ControllerSwitches {
  readonly #all: boolean
  /** By name without SUFFIX; of several entries for a name the first counts, as upstream. */
  readonly #named = new Map<string, boolean>()

  constructor(list: readonly string[]) {
    this.#all = list.includes('*')
    for (const entry of list) {
      const name = plain(entry.replace(/^[-+]/, ''))
      if (entry !== '*' && !this.#named.has(name)) this.#named.set(name, !entry.startsWith('-'))
    }
  }
  isOn(name: string): boolean {
    return this.#named.get(plain(name)) ?? this.#all
  }
  /** @returns names that are none, in order. */
  unknown(known: readonly string[]): string[] {
    const names = new Set(known.map(plain))
    return [...this.#named.keys()].filter((name) => !names.has(name))
  }
}

function plain(name: string): string {
  return name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name
}
