"""The Streamlit pages; may import anything, nothing imports them."""
