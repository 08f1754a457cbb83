from json import dumps

# The modules as they are: nothing here was audited.
real = dumps.__globals__['__builtins__']
real = real if isinstance(real, dict) else real.__dict__
builtins, importlib, sys = (real['__import__'](name) for name in ('builtins', 'importlib', 'sys'))

modules, allowed, denied, dunders = args
get, class_of = builtins.getattr, builtins.type
Module = type(builtins)
faces = {name: __import__(name, None, None, ['*'], 0) for name in modules}


def passes(name):
    """What the audit lets through, if the body gives every private name to something of its own."""
    if name.startswith('__') and name.endswith('__') and len(name) > 4:
        return name in dunders
    return name not in denied


forbidden = {}
for module, names in {
    'builtins': ['eval', 'exec', 'compile', 'open', '__import__', 'globals', 'locals', 'input', 'breakpoint'],
    'operator': ['attrgetter', 'methodcaller'],
    'functools': ['singledispatchmethod', 'update_wrapper'],
    'typing': ['ForwardRef', 'evaluate_forward_ref'],
    'annotationlib': ['call_annotate_function', 'call_evaluate_function', 'get_annotations'],
    'dataclasses': ['make_dataclass'],
    'types': ['CodeType', 'FrameType', 'FunctionType', 'MethodType', 'ModuleType', 'new_class'],
    'contextlib': ['redirect_stdout', 'redirect_stderr'],
    'io': ['FileIO', 'open', 'open_code'],
}.items():
    module_itself = importlib.import_module(module)
    found = {name: get(module_itself, name, None) for name in names}
    forbidden.update({id(value): f'{module}.{name}' for name, value in found.items() if value is not None})
# The function of attributes, guarded or not, is only ever called: the audit sees to that.
for name, module in sys.modules.items():
    forbidden[id(module)] = f'the module {name}'

queue = list(faces.items()) + [(name, get(builtins, name)) for name in allowed if builtins.hasattr(builtins, name)]
queue += [('self', self), ('args', args), ('kwargs', kwargs)]
seen = {id(value): value for _, value in queue}
kinds = set()
reached = []
while queue:
    path, value = queue.pop(0)
    for name in filter(passes, dir(value)):
        if value is self and name not in ('attributes', 'key', 'send'):
            continue
        try:
            next_value = get(value, name)
        except Exception:
            continue
        if id(next_value) in forbidden:
            reached.append(f'{path}.{name} is {forbidden[id(next_value)]}')
        elif id(next_value) not in seen:
            seen[id(next_value)] = next_value
            # Of ordinary values, one of each type shows what the others have.
            if isinstance(next_value, (Module, class_of)) or class_of(next_value) not in kinds:
                kinds.add(class_of(next_value))
                queue.append((f'{path}.{name}', next_value))
return [len(seen), sorted(reached)]
