class Rehearsed:
    def __init__(self, value):
        self.value = value

    def double(self):
        return self.value * 2


total = 0
for number in range(3):
    total += number
names = [str(item) for item in args if isinstance(item, (int, float))]
self.attributes["count"] = self.count + 1
self._p_changed = True
try:
    raise ValueError("rehearsed")
except ValueError as error:
    text = f"{error}: {total:>4} {sorted(names)}"
return {"text": text.upper(), "total": Rehearsed(total).double(), "kwargs": kwargs}
