"""A method for every task that ships with Ganvas, typed. Written by `python -m
ganvas.tasks._signatures`; do not edit.
"""
# ruff: noqa: E501 # docstrings are those of the tasks, indented further

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal


class TaskMethods(ABC):
    """What a trained run can be asked. Examples come back in the form that the training's came in:
    a data frame, an array, a tensor, a list of images or texts."""

    @abstractmethod
    def _use(self, task: str, *sources: Any, **options: Any) -> Any:
        """Does a task; its answer as a person in Python wants it."""

    def augment(
        self,
        x: Any,
        *,
        target: str | None = None,
        to_share: float = 0.5,
        per_class: int | None = None,
        seed: int | None = None,
    ) -> Any:
        """Adds examples of rare classes, and judges them.

        target: Column of a table whose rare classes get new rows; of images, the labels do.
        to_share: Share of all that each rare class shall come to, an even one at most: so by default
            the largest's count.
        per_class: Examples, given and new ones, that every class shall come to at least, instead of a
            share.
        seed: The same seed gives the same new examples.

        Boosted trees for rows, small convolutional networks for images learn to tell the classes
        apart, from what was
        given and the model learned from: alone, with classes weighted, with as many new examples as
        these call for; rows with SMOTE's too (Chawla et al., 2002), where imbalanced-learn is
        installed, images shifted and mirrored. What
        counts are the examples that the training of the model held out, from which nobody learned: of
        rows the average precision of the classes that got new ones, of images the share named
        rightly, all classes counting alike.
        """
        answer: Any = self._use(
            "augment",
            x,
            target=target,
            to_share=to_share,
            per_class=per_class,
            seed=seed,
        )
        return answer

    def cluster(
        self,
        x: Any,
        *,
        k: int | None = None,
        seed: int = 0,
    ) -> Any:
        """Finds groups of latents: a mixture of as many Gaussians, each with a shape of its own.

        k: How many groups; by default as many, up to 20, as the Bayesian information criterion is
            lowest with.
        seed: The same seed gives the same groups.

        Latents of more than 16 numbers are brought to their 16 principal components first; of more than
        10,000 examples so many, evenly spread, decide where groups are. The criterion is that of
        Schwarz (1978).
        """
        answer: Any = self._use(
            "cluster",
            x,
            k=k,
            seed=seed,
        )
        return answer

    def complete(
        self,
        x: Any,
        *,
        mask: Any = None,
        keep: Literal["upper", "lower", "left", "right"] | None = None,
        given: int | None = None,
        draws: int | None = None,
        interval: float | None = None,
        seed: int | None = None,
    ) -> Any:
        """Fills what is missing, drawn given what is known, which stays as it is.

        mask: Where images are to be filled, white: one for each, of the same name and size, or one
            for all.
        keep: Half of every image that is known: upper, lower, left or right.
        given: How much is known from the start: frames of a video (by default as many as a model goes
            on from), lines of an image, symbols of a text.
        draws: Times to fill every masked region, each anew; 1, or for an interval 100.
        interval: Of rows say between what each filled value lies with this probability, such as 0.9, in
            one table.
        seed: The same seed gives the same values.

        What is transparent in an image is missing as well. In a table, values are drawn one after the
        other, each given those before it and that it is not missing; with an interval a masked region
        gets the middle one of its draws, or of a category the most frequent, and beside it how probable
        that is.
        """
        answer: Any = self._use(
            "complete",
            x,
            mask=mask,
            keep=keep,
            given=given,
            draws=draws,
            interval=interval,
            seed=seed,
        )
        return answer

    def compress(
        self,
        x: Any,
        *,
        quality: int | None = None,
    ) -> bytes:
        """Codes every symbol in as many bits as the model finds it surprising: -log2 p(x), by a range
        coder (Martin, 1979).

        What the model did not learn (identifiers, decimals within a bin, rows that are unlike any it
        could make, images of another size) is kept beside it. Only the same model can unpack it.

        quality: Of models that lose something, from 0 (few bits) to 100 (little loss); by default 50.
        """
        answer: bytes = self._use(
            "compress",
            x,
            quality=quality,
        )
        return answer

    def decompress(
        self,
        x: Any,
    ) -> Any:
        """The rows that were packed, equal in every value and type; or the images, equal in every
        pixel.

        Where the model loses something, what it kept at the quality that was asked for.
        """
        answer: Any = self._use(
            "decompress",
            x,
        )
        return answer

    def denoise(
        self,
        x: Any,
    ) -> Any:
        """Restores images of any size, each at its own resolution, tile by tile; grey or in colour as
        the model is.

        Where tiles overlap, one fades into the next.
        """
        answer: Any = self._use(
            "denoise",
            x,
        )
        return answer

    def detect(
        self,
        *x: Any,
        fdr: float | None = None,
        alpha: float | None = None,
        follow: bool = False,
    ) -> Any:
        """Scores examples, and finds those that are more anomalous than normal ones are.

        fdr: Share of what is found that may be normal after all (Benjamini & Hochberg, 1995); 0.1 where
            nothing is said.
        alpha: Or share of normal examples that may be found; 0.01 where nothing is said while
            following.
        follow: Wait for what is added to a file, and judge it as it comes, until Ctrl-C.

        The p-value of an example is the share of normal examples, which the model did not learn from,
        that are as anomalous: if it is one of them, p is below a with a probability of a at most,
        whatever the model (Vovk et al., 2005).
        """
        answer: Any = self._use(
            "detect",
            *x,
            fdr=fdr,
            alpha=alpha,
            follow=follow,
        )
        return answer

    def edit(
        self,
        x: Any,
        *,
        attribute: str | None = None,
        attributes: Any = None,
        examples: Any = None,
        has: Any = None,
        lacks: Any = None,
        found: int | None = None,
        hold: str | None = None,
        by: Literal["boundary", "means"] = "boundary",
        strength: str = "-2..2",
        steps: int = 5,
        inversion_steps: int = 600,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """Moves examples along a direction of meaning in the latents, to several strengths.

        attribute: What is to be changed: a column of the attributes, or a class that the model learned.
        attributes: CSV file whose first column names images and whose others are numbers, or true and
            false.
        examples: Images that attributes or classes are known of; by default those of the training.
        has: Examples of what is to be had more of...
        lacks: ...and others that lack it, instead of an attribute.
        found: Directions to find without knowing anything: those along which examples change most.
        hold: Attributes that shall stay as they are, with commas between.
        by: Direction across the boundary of an attribute, or from the mean of those that lack it to
            those that have it.
        strength: From where to where, in standard deviations of all examples along the direction; or
            one number.
        steps: Strengths, both ends included.
        inversion_steps: In which an encoder learns to invert a generator that has none.
        seed: The same seed gives the same edits.

        Latents come from the model's encoder; a generator without one is inverted. Of each example is
        told how faithfully it is rendered before it is edited, and how much of its identity is kept, by
        features learned without labels.
        """
        answer: list[dict[str, Any]] = self._use(
            "edit",
            x,
            attribute=attribute,
            attributes=attributes,
            examples=examples,
            has=has,
            lacks=lacks,
            found=found,
            hold=hold,
            by=by,
            strength=strength,
            steps=steps,
            inversion_steps=inversion_steps,
            seed=seed,
        )
        return answer

    def embed(
        self,
        x: Any,
        *,
        map: Literal["tsne", "umap", "pca", "none"] = "tsne",
        points: int = 2000,
        seed: int = 0,
    ) -> Any:
        """Finds the latents of examples, and puts what is alike near each other on a map.

        map: How it is laid out: by t-SNE, by UMAP, as the two principal components, or not at all.
        points: Examples on the map; where there are more, so many evenly spread.
        seed: The same seed gives the same map.

        Distances between far points on a map of t-SNE or UMAP mean little, and so do sizes of clumps:
        who is whose neighbour is what it shows. Latents of more than 50 numbers are brought to their 50
        principal components first.
        """
        answer: Any = self._use(
            "embed",
            x,
            map=map,
            points=points,
            seed=seed,
        )
        return answer

    def interpolate(
        self,
        x: Any = None,
        *,
        steps: int = 9,
        n: int = 4,
        label: int | str | None = None,
        seed: int | None = None,
    ) -> Any:
        """Walks between the given examples, one after the other, or between new ones.

        steps: Stops on each walk, both ends included.
        n: Walks between new examples, where none are given.
        label: What the new examples shall be, where the model learned labels.
        seed: The same seed gives the same walks.
        """
        answer: Any = self._use(
            "interpolate",
            x,
            steps=steps,
            n=n,
            label=label,
            seed=seed,
        )
        return answer

    def reconstruct(
        self,
        x: Any,
        *,
        interval: float | None = None,
        seed: int = 0,
    ) -> Any:
        """Shows each example beside what the model makes of it: what the latent could not hold is
        missing.

        interval: Say of each value between what it lies with this probability, such as 0.9: predictive
            intervals.
        seed: Of the draws that intervals are made of; the same seed gives the same intervals.

        Intervals are drawn from p(x' | z), z ~ q(z | x): the doubt about the latent and the noise of
        the likelihood. They are then scaled by how values that the training held out came out of them,
        so that values which are like those lie inside as often as was asked (conformalised quantiles:
        Romano et al., 2019).
        """
        answer: Any = self._use(
            "reconstruct",
            x,
            interval=interval,
            seed=seed,
        )
        return answer

    def sample(
        self,
        n: int = 16,
        label: int | str | None = None,
        prompt: str | None = None,
        best: int = 1,
        seed: int | None = None,
        truncation: float | None = None,
        reject: bool = False,
        where: str | Sequence[str] | None = None,
        constraint: str | Sequence[str] | None = None,
        unique: str | Sequence[str] | None = None,
        together: str | Sequence[str] | None = None,
        balance: str | None = None,
        like: Any = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        guidance: float | None = None,
        decoding_steps: int | None = None,
    ) -> Any:
        """Draws new examples, in parts, when they are asked for.

        n: How many.
        label: What each shall be, where the model learned labels; without, every label in turn.
        prompt: What each shall show, where the model learned captions: "a red apple".
        best: Draw so many for each that is kept: that which, by the model's own likelihood, its prompt
            tells most about.
        seed: The same seed gives the same examples.
        truncation: Latents further out than this many standard deviations are drawn again: fewer
            surprises.
        reject: Draw again, as often as the discriminator finds that the data has fewer of a kind than
            were drawn.
        where: What every row shall be, as SQL says it: "income = '>50K' AND age > 40".
        constraint: What must hold in every row, such as "start <= end"; what is missing leaves it open,
            and that will do.
        unique: Column of which no value may come twice.
        together: Columns, such as "city,state", that have only combinations which came together in
            training.
        balance: Column of which every level shall come equally often.
        like: Table whose columns, as far as it has them, new ones shall be distributed like: each
            alone.
        temperature: Of a model of symbols: below 1 likely symbols become likelier still.
        top_k: Draw among so many of the likeliest symbols.
        top_p: Draw among the likeliest symbols that together have this probability.
        guidance: How many times as much the label or text shall count; above 1 samples fit it better
            and vary less.
        decoding_steps: In how many steps a model that draws many symbols at a time draws all; more take
            longer and fit better.

        A constraint is met exactly where the model completes: what is asked of one column each is drawn
        first. What is left to be met, and any constraint of another model's rows, is met by drawing
        until enough rows do; which way it was, and what share was accepted, is said on standard error.
        Raises InputError where too few are found.
        """
        answer: Any = self._use(
            "sample",
            n=n,
            label=label,
            prompt=prompt,
            best=best,
            seed=seed,
            truncation=truncation,
            reject=reject,
            where=where,
            constraint=constraint,
            unique=unique,
            together=together,
            balance=balance,
            like=like,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            guidance=guidance,
            decoding_steps=decoding_steps,
        )
        return answer

    def stylise(
        self,
        x: Any,
        *,
        style: Any = None,
        strength: float = 1.0,
    ) -> Any:
        """Gives images of any size the style of one other, each at its own resolution: whole up to a
        megapixel, beyond it tile by tile, of which one fades into the next; then the style replaces
        what each tile is like, not the whole.

        style: Image whose style it is, whatever the training saw; looked at with 512 pixels a side at
            most.
        strength: How much of the style, from 0 (none) to 1.
        """
        answer: Any = self._use(
            "stylise",
            x,
            style=style,
            strength=strength,
        )
        return answer

    def translate(
        self,
        x: Any,
        *,
        to: str | int | None = None,
    ) -> Any:
        """Translates images of any size, each at its own resolution: whole up to a megapixel, tile by
        tile beyond it.

        Where tiles overlap, one fades into the next.

        to: Name of the domain to go to, as its folder was called; by default the second, that of --to
            in training.
        """
        answer: Any = self._use(
            "translate",
            x,
            to=to,
        )
        return answer

    def traverse(
        self,
        x: Any = None,
        *,
        steps: int = 11,
        reach: float = 3.0,
        most: int = 10,
        example: int = 0,
        label: int | str | None = None,
        seed: int | None = None,
    ) -> Any:
        """Walks along each latent while all others stay as they are (Higgins et al., 2017, figure 1).

        steps: Stops on each walk, both ends included.
        reach: How far each walk goes to either side of the middle, in standard deviations.
        most: Latents that are shown; those that change the example most come first.
        example: Place, from 0, of the given example to start at.
        label: What the example shall be, where the model learned labels; by default the first of them.
        seed: Start at a new example that this seed draws, where none are given; without, at the middle
            of the prior.

        Middle and standard deviation are those of the prior, or of a model without one those of the
        given examples' latents. How much a latent changes is the mean squared difference between
        neighbouring stops.
        """
        answer: Any = self._use(
            "traverse",
            x,
            steps=steps,
            reach=reach,
            most=most,
            example=example,
            label=label,
            seed=seed,
        )
        return answer

    def upscale(
        self,
        x: Any,
        *,
        fidelity: float = 0.0,
        scale: int | None = None,
    ) -> Any:
        """Enlarges images of any size, tile by tile; what their files have beside pixels is kept: 16
        bits of grey ones, transparency, EXIF, colour profiles.

        Grey images stay grey; where the model knows grey ones alone, colours are enlarged
        bicubically.

        Arguments:
            fidelity: 1 keeps to what pixels say, 0 looks as sharp as real photographs do; between,
                something of both.
            scale: How many times as many pixels a side; by default the model's, or one of its powers.
        """
        answer: Any = self._use(
            "upscale",
            x,
            fidelity=fidelity,
            scale=scale,
        )
        return answer
