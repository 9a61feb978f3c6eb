"""Stock of a small warehouse, kept in memory and saved as JSON."""

import json


class Item:
    """A product and how much of it is there."""

    def __init__(self, name, price, count):
        if price < 0:
            raise ValueError("price must not be negative")
        self.name = name
        self.price = price
        self.count = count

    def value(self):
        """Return what the stock of this item is worth."""
        return self.price * self.count

    def to_dict(self):
        return {"name": self.name, "price": self.price, "count": self.count}


class Inventory:
    """All items by name."""

    def __init__(self):
        self.items = {}

    def add(self, name, price, count):
        """Add an item, or more of one that is already there."""
        item = self.items.get(name)
        if item == None:
            item = Item(name, price, 0)
            self.items[name] = item
        item.count += count
        return item

    def remove(self, name, count):
        """Take out some of an item; raise KeyError when it is unknown."""
        item = self.items[name]
        if item.count < count:
            raise ValueError("not enough " + name)
        item.count -= count
        if item.count == 0:
            del self.items[name]

    def total(self):
        """Return the worth of everything."""
        total = 0
        for item in self.items.values():
            total += item.value()
        return total

    def cheapest(self):
        """Return the item with the lowest price, or None."""
        best = None
        for item in self.items.values():
            if best is None or item.price < best.price:
                best = item
        return best

    def names(self):
        """Return the names in alphabetical order."""
        return sorted(self.items)

    def save(self, path):
        """Write all items to a JSON file."""
        rows = [item.to_dict() for item in self.items.values()]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)

    def load(self, path):
        """Read items from a JSON file and add them."""
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        for row in rows:
            self.add(row["name"], row["price"], row["count"])


def report(inventory):
    """Return a line for each item, and the total."""
    lines = []
    for name in inventory.names():
        item = inventory.items[name]
        lines.append(f"{name}: {item.count} at {item.price}")
    lines.append(f"total: {inventory.total()}")
    return "\n".join(lines)
