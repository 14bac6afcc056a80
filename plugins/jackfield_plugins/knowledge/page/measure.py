"""Measuring how well questions find their passages, each way of searching beside the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jackfield import JackfieldError
from jackfield_plugins.knowledge.desk import Desk
from jackfield_plugins.knowledge.measuring import parsed
from jackfield_plugins.knowledge.page.attempt import attempt
from jackfield_plugins.knowledge.page.documents import draw_jobs

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.knowledge import Knowledge
    from jackfield_plugins.knowledge.library import Library

COLUMNS = ("question", "document", "snippet")


def draw(knowledge: Knowledge, app: Application, library: Library, name: str) -> None:
    """Draw the section."""
    import streamlit as st

    desk = Desk(knowledge)
    st.markdown(
        "Give questions of which you know where the answer stands, or have a model make some from "
        "the documents. Each is asked in each way, and you see which way finds most."
    )
    questions = desk.questions(name)
    _draw_questions(desk, name, questions)
    _draw_making(desk, app, name)
    ranker, start = st.columns([3, 1], vertical_alignment="bottom")
    reranker = ranker.selectbox(
        "Reranking model to measure too",
        ["", *app.embedding.able("rerank")],
        format_func=lambda one: one or "none",
        key="knowledge-measure-reranker",
    )
    start.button(
        "Measure",
        type="primary",
        key="knowledge-measure-start",
        icon=":material/speed:",
        disabled=not questions,
        on_click=attempt,
        args=(desk.measure, name, reranker),
        width="stretch",
    )
    draw_jobs(library, name)
    done = [job for job in library.jobs.of(name) if job.kind == "measure" and job.result]
    if done:
        _draw_result(done[0].result)


def _draw_questions(desk: Desk, name: str, questions: list[dict[str, str]]) -> None:
    import streamlit as st

    with st.expander(f"Questions ({len(questions)})", expanded=not questions):
        file = st.file_uploader(
            "Import CSV or JSON",
            type=["csv", "json"],
            key="knowledge-questions-file",
            help="With question, document (title, path or a pattern such as *guide.pdf) and "
            "snippet (words of the passage).",
        )
        if file is not None and st.button("Import", key="knowledge-questions-import"):
            try:
                made = parsed(file.getvalue().decode("utf-8-sig", errors="replace"))
            except JackfieldError as error:
                st.error(f"{error.message}\n\n{error.hint}".strip())
                return
            desk.set_questions(
                name,
                [
                    {"question": one.question, "document": one.document, "snippet": one.snippet}
                    for one in made
                ],
            )
            st.rerun()
        edited = st.data_editor(
            questions or [dict.fromkeys(COLUMNS, "")],
            num_rows="dynamic",
            key=f"knowledge-questions-{name}-{len(questions)}",
            column_order=COLUMNS,
        )
        if st.button("Save the questions", key="knowledge-questions-save"):
            kept = [
                {column: str(row.get(column) or "").strip() for column in COLUMNS}
                for row in edited
                if str(row.get("question") or "").strip()
            ]
            lacking = [row for row in kept if not row["document"] and not row["snippet"]]
            if lacking:
                st.error(
                    f"{lacking[0]['question']!r} needs a document or a snippet that answers it."
                )
                return
            desk.set_questions(name, kept)
            st.rerun()


def _draw_making(desk: Desk, app: Application, name: str) -> None:
    import streamlit as st

    writers = app.catalog.writers()
    with st.expander("Have questions made by a model"):
        if not writers:
            st.caption("No model that writes is here yet: get one on the Models page.")
            return
        model = st.selectbox("Model", writers, key="knowledge-make-model")
        count = st.slider("Questions", 5, 200, value=20, key="knowledge-make-count")
        st.caption("They take the place of the questions above.")
        st.button(
            "Make questions",
            key="knowledge-make",
            icon=":material/auto_awesome:",
            on_click=attempt,
            args=(desk.make_questions, name, model, count),
        )


def _draw_result(result: dict[str, Any]) -> None:
    """The table and the chart."""
    import streamlit as st

    st.subheader("Result")
    rows = result["rows"]
    long = [
        {"setting": row["setting"], "measure": measure, "value": value}
        for row in rows
        for measure, value in row.items()
        if measure not in ("setting", "ms")
    ]
    st.bar_chart(
        long,
        x="measure",
        y="value",
        color="setting",
        stack=False,
        x_label="",
        y_label="",
        sort=False,
    )
    st.dataframe(rows, hide_index=True)
    st.caption(
        f"{result['questions']} questions. recall@k: the share of which the right place is among "
        "the first k. MRR: the mean of 1/rank of the right place. nDCG@10: counts places further "
        "down for less. ms: time of a question."
    )
