"""
The next event of a session
===========================

Lists of events are texts whose tokens are events. :class:`~skrnn.LanguageModel` says
which event comes next, and which sessions are unlike the others.
"""

# %%
# Made-up visits to a shop
# ------------------------
#
# Visitors search, look at things of one kind, and buy or leave. What they buy depends
# on what they looked at before, so the last event alone says little.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import LanguageModel

KINDS = ["book", "shoe", "lamp"]


def visit(rng):
    """One session: a list of events."""
    kind = rng.choice(KINDS)
    events = ["home"]
    for _ in range(rng.integers(1, 5)):
        events += ["search"] * rng.integers(0, 2) + [f"view {kind}"]
        if rng.random() < 0.3:
            events.append("read reviews")
    if rng.random() < 0.6:
        events += ["add to basket", "pay", f"receipt for a {kind}"]
    return events


rng = np.random.default_rng(0)
sessions = [visit(rng) for _ in range(1500)]
train, test = sessions[:1200], sessions[1200:]
print(train[0])

# %%
# What comes next?
# ----------------

model = LanguageModel(
    32, max_iter=15, batch_size=16, ngram_order=3, random_state=0
).fit(train)
begun = ["home", "search", "view lamp", "add to basket", "pay"]
for event, probability in model.predict_next([begun], k=3)[0]:
    print(f"{probability:.3f}  {event}")
print(f"perplexity of other sessions: {model.perplexity(test):.2f}")

# %%
# Sessions that are not like the others
# -------------------------------------
#
# Robots jump about at random. The mean surprise of an event tells them from visitors.

events = sorted({event for session in train for event in session})
robots = [rng.choice(events, size=rng.integers(4, 12)).tolist() for _ in range(100)]


def surprise(X):
    """Mean surprise of an event in each session, in bits."""
    return [-values.mean() / np.log(2) for values in model.score_tokens(X)]


fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
bins = np.linspace(0, 10, 41)
axes[0].hist(surprise(test), bins, label="visitors", alpha=0.8)
axes[0].hist(surprise(robots), bins, label="robots", alpha=0.8, color="#D55E00")
axes[0].set(xlabel="surprise for each event (bits)", ylabel="sessions")
axes[0].legend()

# Each step of one session: what was thought of what came.
session = [*begun, "receipt for a shoe"]
values = -model.score_tokens([session])[0][:-1] / np.log(2)
places = np.arange(len(session))
axes[1].barh(places[:-1], values[:-1], color="C0", label="usual")
axes[1].barh(places[-1:], values[-1:], color="#D55E00", label="odd")
axes[1].legend(title="made up to be")
axes[1].set_yticks(places, session)
axes[1].invert_yaxis()
axes[1].set(xlabel="surprise (bits)", title="A receipt for what nobody looked at")
plt.show()
