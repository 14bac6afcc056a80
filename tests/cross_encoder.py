"""Trains a small real cross-encoder: no package carries one in a format that is safe to open.

It starts from all-MiniLM-L6-v2 and learns in a minute which of several sentences answers a
question. France is left out of what it is taught, so that a test can ask about it. The second
segment's vector is the first's: llama.cpp knows no second segment.
"""

import random
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

CAPITALS = {
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Japan": "Tokyo",
    "Egypt": "Cairo",
    "Norway": "Oslo",
    "Kenya": "Nairobi",
    "Peru": "Lima",
    "Poland": "Warsaw",
    "Greece": "Athens",
    "Canada": "Ottawa",
    "Portugal": "Lisbon",
}
AUTHORS = {
    "Hamlet": "William Shakespeare",
    "War and Peace": "Leo Tolstoy",
    "Emma": "Jane Austen",
    "Moby Dick": "Herman Melville",
    "Faust": "Johann Wolfgang von Goethe",
    "Don Quixote": "Miguel de Cervantes",
}
USES = {
    "a thermometer": "A thermometer measures how warm or cold something is.",
    "a kettle": "A kettle heats water until it boils, for tea or coffee.",
    "a hammer": "With a hammer nails are driven into wood.",
    "a compass": "A compass shows the direction of north to travellers.",
    "an umbrella": "An umbrella keeps people dry when it rains.",
    "a telescope": "A telescope makes distant stars and planets visible.",
    "a saw": "A saw cuts wood and other hard materials.",
    "yeast": "Yeast makes the dough of a loaf rise before it goes into the oven.",
    "motor oil": "Motor oil keeps the parts of a running engine from wearing out.",
    "a bank account": "A bank account holds money and pays interest on savings.",
}


def pairs() -> list[tuple[str, str]]:
    """Questions with their answers."""
    found = [
        (f"What is the capital of {land}?", f"{city} is the capital and largest city of {land}.")
        for land, city in CAPITALS.items()
    ]
    found += [
        (f"Who wrote {book}?", f"{book} is a work by {author}.") for book, author in AUTHORS.items()
    ]
    return found + [(f"What is {thing} used for?", answer) for thing, answer in USES.items()]


def train(start: Path, made: Path, rounds: int = 60) -> None:
    """Train and save; deterministic on one machine."""
    torch.manual_seed(0)
    chance = random.Random(0)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=1)
    types = model.bert.embeddings.token_type_embeddings
    with torch.no_grad():
        types.weight[1] = types.weight[0]
    model.bert.embeddings.requires_grad_(requires_grad=False)
    changing = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(changing, lr=2e-4)
    known = pairs()
    model.train()
    for step in range(rounds):
        asked = chance.sample(known, 8)
        answers = [answer for _, answer in chance.sample(known, 8)]
        others = zip((question for question, _ in asked), answers, strict=True)
        rows = [*asked, *(pair for pair in others if pair not in asked)]
        right = torch.tensor([float(row in asked) for row in rows])
        read = tokenizer([one for one, _ in rows], [other for _, other in rows], padding=True)
        scores = model(**read.convert_to_tensors("pt")).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(step, round(loss.item(), 3), flush=True)  # noqa: T201 - seen if it fails
    model.eval().save_pretrained(made)
    tokenizer.save_pretrained(made)


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]))
