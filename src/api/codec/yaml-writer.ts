/** Writes YAML in the form of Go's sigs.k8s.io/yaml: keys sorted, lists not indented, ambiguous texts quoted. */
import { stringify } from 'yaml'

export function encodeYaml(value: unknown): string {
  return stringify(value, {
    version: '1.1',
    indentSeq: false,
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
    nullStr: 'null',
  })
}
