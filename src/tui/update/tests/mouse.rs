//! The mouse.

use super::*;

#[test]
fn the_mouse() {
    let mut session = session();
    session.mouse(MouseKind::Press, 10, 4);
    assert_eq!(session.state.cursor, 3);
    session.mouse(MouseKind::Drag, 2, 5);
    assert_eq!(session.selected(), "    let x = 1;\n    let y = 2;\n");
    session.mouse(MouseKind::WheelDown, 2, 5);
    session.mouse(MouseKind::WheelUp, 2, 5);
    assert_eq!(session.state.cursor, 3);
    session.mouse(MouseKind::Drag, 2, 5);
    session.keys("i enter");
    session.poll();
    session.poll();
    let row = layout_row(&session);
    session.mouse(MouseKind::Press, 8, row);
    assert_eq!(session.run().cursor, Some(slot(0)));
    session.mouse(MouseKind::Drag, 16, row);
    assert_eq!(session.run().chosen(), [slot(0), slot(1)]);
    let timeline = crate::tui::layout::areas(&session.state).timeline;
    session.mouse(MouseKind::Press, 1, timeline.y);
    assert_eq!(session.run().shown, Some(0));
    session.mouse(MouseKind::WheelDown, 1, 3);
    session.keys("esc esc o");
    session.mouse(MouseKind::Press, 20, 4);
    assert_eq!(session.state.file.name, "src/other.py", "the second item");
    session.keys("?");
    session.mouse(MouseKind::WheelDown, 1, 1);
    session.mouse(MouseKind::Press, 1, 1);
    assert!(session.state.overlay.is_none());
    session.keys("M");
    assert_eq!(session.mouse, Some(false));
    let cursor = session.state.cursor;
    session.mouse(MouseKind::Press, 10, 2);
    assert_eq!(session.state.cursor, cursor, "not listened to any more");
    session.keys("M");
    assert_eq!(session.mouse, Some(true));
}

/// The row of the screen where the span of the run begins.
fn layout_row(session: &Session) -> u16 {
    let area = crate::tui::layout::areas(&session.state).body;
    let view = crate::tui::layout::run_view(session.run(), area);
    area.y + view.rows.iter().position(|row| row.in_span).unwrap() as u16
}
