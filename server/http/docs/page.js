/** Shows openapi.json as a list of routes, with parameters, bodies, answers and examples. */
const make = (name, text = '', className = '') => {
  const element = document.createElement(name)
  element.textContent = text
  if (className !== '') element.className = className
  return element
}
const code = (value) => make('pre', JSON.stringify(value, null, 2))

function part(title, ...children) {
  const box = make('section')
  box.append(make('h4', title), ...children)
  return box
}

function operation(method, path, about) {
  const box = make('details')
  const head = make('summary')
  head.append(make('span', method, 'method'), make('code', path), make('span', ` ${about.summary}`))
  const body = make('div')
  if (about.description) body.append(make('p', about.description))
  const parameters = (about.parameters ?? []).map((one) =>
    make(
      'li',
      `${one.name} (${one.in}${one.required ? ', required' : ''}): ${one.schema?.description ?? one.schema?.type ?? ''}`,
    ),
  )
  if (parameters.length > 0) body.append(part('Parameters', ...parameters))
  for (const [type, { schema }] of Object.entries(about.requestBody?.content ?? {}))
    body.append(part(`Body: ${type}`, code(schema)))
  for (const [status, { description, content }] of Object.entries(about.responses)) {
    const schemas = Object.values(content ?? {}).map(({ schema }) => code(schema))
    body.append(part(`${status}: ${description}`, ...schemas))
  }
  body.append(part('Examples', code(about['x-examples'])))
  box.append(head, body)
  return box
}

const { info, paths } = await (await fetch('openapi.json')).json()
const page = document.getElementById('page')
page.replaceChildren(make('h1', `${info.title} ${info.version}`), make('p', info.description))
const groups = new Map()
for (const [path, operations] of Object.entries(paths))
  for (const [method, about] of Object.entries(operations)) {
    const [tag] = about.tags
    if (!groups.has(tag)) groups.set(tag, [])
    groups.get(tag).push(operation(method, path, about))
  }
for (const [tag, entries] of groups) page.append(make('h2', tag), ...entries)
